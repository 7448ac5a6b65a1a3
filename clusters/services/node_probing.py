"""Finds lost nodes of one cluster: probes every worker directly, asks a second witness, has the decision carried out.

One `Warden` per cluster, in a thread of the watch process. Its turns cost the API server nothing while all is well: it
is asked about a node (its lease, its Ready condition) only when the portal's own probe of that node has failed. A
neighbour is asked over SSH at the first miss, so that its word is there when the second miss is.
Only hosts that an operator enrolled are probed: what an imported cluster says of its nodes' addresses is not
connected to.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from django.db import close_old_connections, connection
from django.utils import timezone

from clusters import access
from clusters.adapters import ssh
from clusters.adapters.kubernetes import KubernetesClient
from clusters.adapters.node_probe import Prober, Target, script_for
from clusters.errors import ClusterError
from clusters.healing.nodes import MISSES, Observation, Peer, Verdict, View, decide, is_calm
from clusters.models import Cluster, Host, Membership, NodeDecision
from clusters.observing.nodes import moment, node_status
from clusters.services import fencing, node_decisions, node_loss
from clusters.services.probing_board import Board

EVERY, URGENT = 0.5, 0.05
HOSTS_EVERY, SWEEP_EVERY, RECORD_EVERY = 5.0, 2.0, 5.0
API_SECONDS, PEER_SECONDS = 3.0, 6.0
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_log = logging.getLogger(__name__)


@dataclass
class _Watched:
    """What a warden remembers of one node between turns."""

    misses: int = 0
    failing_since: datetime | None = None
    peer: Peer | None = None
    asking: Future[Peer | None] | None = None
    asked: int = 0
    told: tuple[str, str] | None = None
    told_at: float = field(default=-RECORD_EVERY)

    def heard(self) -> None:
        self.misses, self.failing_since, self.peer, self.asking, self.told = 0, None, None, None, None

    def missed(self, at: datetime) -> None:
        """`at`: when the unanswered question was asked."""
        self.misses += 1
        self.failing_since = self.failing_since or at


class Warden:
    """One cluster, one thread (clusters.watching.Following). `turn` is one look, and answers how long to rest then."""

    def __init__(self, cluster_pk: int, board: Board, *, prober: Prober | None = None) -> None:
        self.cluster_pk = cluster_pk
        self._board = board
        self._prober = prober or Prober()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="witness")
        self._nodes: dict[str, _Watched] = {}
        self._cluster: Cluster | None = None
        self._hosts: dict[str, Host] = {}
        self._workers: list[str] = []
        self._hosts_at = self._swept_at = -1000.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe-{cluster_pk}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        """Turn after turn until told to stop. Errors are logged, never fatal."""
        try:
            while not self._stop.is_set():
                rest = EVERY
                try:
                    close_old_connections()
                    rest = self.turn()
                except Exception:
                    _log.exception("the nodes of cluster %s could not be looked after", self.cluster_pk)
                self._stop.wait(rest)
        finally:
            self._board.drop(self.cluster_pk)
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._prober.close()
            connection.close()

    def turn(self) -> float:
        """Probe, ask, decide, act."""
        self._learn_hosts()
        if self._cluster is None or not self._workers:
            return HOSTS_EVERY
        at = timezone.now()
        answers = self._prober.round([self._target(name) for name in self._workers])
        for name in self._workers:
            watched = self._nodes.setdefault(name, _Watched())
            if answers.get(name):
                watched.heard()
            else:
                watched.missed(at)
        missing = [name for name in self._workers if self._nodes[name].misses]
        self._board.put(
            self.cluster_pk, len(self._workers), sum(self._nodes[each].misses >= MISSES for each in missing)
        )
        self._board.look(urgent=bool(missing))
        lost = node_decisions.lost_nodes(self.cluster_pk)
        for name in missing:
            if name not in lost:
                self._ask_a_peer(name)
        if any(self._nodes[name].misses >= MISSES for name in missing) or lost:
            self._judge(lost)
        waits = any(name not in lost for name in missing)
        return URGENT if waits else EVERY

    # --- deciding and acting ----------------------------------------------------------------------

    def _judge(self, lost: Mapping[str, NodeDecision]) -> None:
        assert self._cluster is not None
        client = access.kubernetes_for(self._cluster, timeout=API_SECONDS)
        view = self._view(lost, client)
        for verdict in decide(timezone.now(), view):
            self._carry_out(verdict, client, lost)
        if lost and view.api_answers and time.monotonic() - self._swept_at >= SWEEP_EVERY:
            for row in [row for name, row in lost.items() if self._is_missing(name)]:
                self._sweep(row, client)
                # Nothing is powered off in a storm, nor when the portal itself may be cut off.
                if is_calm(view):
                    fencing.consider(row)

    def _view(self, lost: Mapping[str, NodeDecision], client: KubernetesClient) -> View:
        """All that is known of the cluster's nodes; the API server is asked about those that do not answer."""
        known, answers = [], True
        for name in self._workers:
            seen = self._observation(name, name in lost)
            if seen.known_lost or seen.misses >= MISSES:
                try:
                    seen = _with_api(client, seen)
                except ClusterError:
                    answers = False
            known.append(seen)
        return View(known, api_answers=answers, portal_suspect=self._board.suspicion())

    def _carry_out(
        self, verdict: Verdict, client: KubernetesClient, lost: Mapping[str, NodeDecision]
    ) -> None:
        if verdict.action == "back":
            node_loss.release(row=lost[verdict.node], client=client)
            _log.info("node %s is back", verdict.node)
            return
        watched = self._nodes[verdict.node]
        if verdict.action != "lost":
            self._note(watched, verdict)
            return
        row = node_decisions.record(
            cluster_pk=self.cluster_pk, verdict=verdict, failing_since=watched.failing_since
        )
        _log.warning("node %s is lost: %s", verdict.node, row.witnesses)
        self._sweep(row, client)

    def _sweep(self, row: NodeDecision, client: KubernetesClient) -> None:
        self._swept_at = time.monotonic()
        try:
            node_loss.sweep(row=row, client=client)
        except ClusterError as error:
            _log.warning("node %s: %s", row.node, error)
            node_loss.problem(row, error)

    def _note(self, watched: _Watched, verdict: Verdict) -> None:
        """A decision to do nothing: written when it is another one, and now and then."""
        said, now = (verdict.action, verdict.why), time.monotonic()
        if said == watched.told and now - watched.told_at < RECORD_EVERY:
            return
        watched.told, watched.told_at = said, now
        node_decisions.record(
            cluster_pk=self.cluster_pk, verdict=verdict, failing_since=watched.failing_since
        )

    def _observation(self, name: str, known_lost: bool) -> Observation:
        watched = self._nodes.setdefault(name, _Watched())
        if watched.asking is not None and watched.asking.done():
            watched.peer, watched.asking = watched.asking.result() or watched.peer, None
        return Observation(
            name,
            misses=watched.misses,
            failing_since=watched.failing_since,
            peer=watched.peer,
            known_lost=known_lost,
        )

    # --- hosts and witnesses ----------------------------------------------------------------------

    def _learn_hosts(self) -> None:
        if time.monotonic() - self._hosts_at < HOSTS_EVERY:
            return
        self._hosts_at = time.monotonic()
        self._cluster = Cluster.objects.filter(pk=self.cluster_pk, state=Cluster.State.READY).first()
        rows = Membership.objects.filter(cluster_id=self.cluster_pk).select_related("host__credential")
        self._hosts = {row.host.name: row.host for row in rows}
        self._workers = sorted(row.host.name for row in rows if row.role == Membership.Role.WORKER)
        self._nodes = {name: each for name, each in self._nodes.items() if name in self._workers}

    def _target(self, name: str) -> Target:
        host = self._hosts[name]
        return Target(name, host.address, ssh_port=host.ssh_port)

    def _ask_a_peer(self, name: str) -> None:
        """Another host each time, among those that answer; masters are asked too."""
        watched = self._nodes[name]
        peers = [each for each in sorted(self._hosts) if each != name and not self._is_missing(each)]
        if watched.asking is not None or not peers or _is_fresh(watched.peer):
            return
        host = self._hosts[peers[watched.asked % len(peers)]]
        watched.asked += 1
        watched.asking = self._pool.submit(_peer_says, host, access.ssh_for(host), self._target(name))

    def _is_missing(self, name: str) -> bool:
        return name in self._nodes and self._nodes[name].misses > 0


def _peer_says(host: Host, way: ssh.SshTarget, target: Target) -> Peer | None:
    """What the host says of reaching the target; None when it cannot be asked."""
    at = timezone.now()
    try:
        said = ssh.run_script(way, script_for(target), interpreter="python3 -", timeout=PEER_SECONDS)
    except ClusterError as error:
        _log.info("%s could not be asked about %s: %s", host.name, target.name, error)
        return None
    return Peer(host.name, said.strip() != "silent", at)


def _is_fresh(peer: Peer | None) -> bool:
    return peer is not None and (timezone.now() - peer.at).total_seconds() < RECORD_EVERY


def _with_api(client: KubernetesClient, seen: Observation) -> Observation:
    """With what the API server knows of the node."""
    lease = client.get(f"{LEASES}/{seen.node}").get("spec") or {}
    node = node_status(client.get(f"/api/v1/nodes/{seen.node}"))
    length = lease.get("leaseDurationSeconds")
    return Observation(
        seen.node,
        misses=seen.misses,
        failing_since=seen.failing_since,
        peer=seen.peer,
        lease_at=moment(str(lease.get("renewTime", ""))),
        lease_seconds=length if isinstance(length, int) and length > 0 else 40,
        ready=node.ready.status,
        known_lost=seen.known_lost,
    )
