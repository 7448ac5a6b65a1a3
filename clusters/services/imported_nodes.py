"""Finds lost nodes of one imported cluster through its API server alone, and has the decision carried out.

What such a cluster says of its nodes' addresses is not connected to, so the portal cannot probe them. One list of
leases every few seconds; only about a node whose lease is overdue the API server's proxy is asked. Clusters of our own
have clusters.services.node_probing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import close_old_connections, connection
from django.utils import timezone

from clusters import access
from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterError, ClusterRefused, ClusterUnreachable
from clusters.healing.imported import Answer, Seen, decide, is_overdue
from clusters.healing.nodes import Verdict
from clusters.models import Cluster, Node, NodeDecision
from clusters.services import node_decisions, node_loss
from clusters.services.node_probing import API_SECONDS, LEASES

EVERY, IDLE_EVERY, ASK_AGAIN = 5.0, 30.0, 15.0
_MASTERS = frozenset({"control-plane", "master"})
_log = logging.getLogger(__name__)


@dataclass
class _Lease:
    """What is remembered of one node between turns."""

    renewed: str
    changed_at: datetime
    proxy: tuple[Answer, datetime] | None = None


class ImportedWarden:
    """One cluster, one thread (clusters.watching.Following). `turn` is one look, and answers how long to rest then."""

    def __init__(self, cluster_pk: int) -> None:
        self.cluster_pk = cluster_pk
        self._leases: dict[str, _Lease] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"leases-{cluster_pk}", daemon=True)

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
                except ClusterError as error:
                    # Nothing is known while the API server is silent: nobody's lease grows old meanwhile.
                    self._leases.clear()
                    _log.info("the leases of cluster %s could not be read: %s", self.cluster_pk, error)
                except Exception:
                    _log.exception("the nodes of cluster %s could not be looked after", self.cluster_pk)
                self._stop.wait(rest)
        finally:
            connection.close()

    def turn(self) -> float:
        """Read, ask, decide, act. Raises ClusterError."""
        cluster = Cluster.objects.filter(pk=self.cluster_pk).first()
        if (
            cluster is None
            or cluster.origin != Cluster.Origin.IMPORTED
            or cluster.state != Cluster.State.READY
        ):
            return IDLE_EVERY
        client = access.kubernetes_for(cluster, timeout=API_SECONDS)
        lost = node_decisions.lost_nodes(self.cluster_pk)
        seen = self._look(client, lost)
        for verdict in decide(timezone.now(), seen):
            self._carry_out(verdict, client, lost)
        overdue = {each.node for each in seen if is_overdue(timezone.now(), each)}
        for name in overdue & set(lost):
            self._sweep(lost[name], client)
        return EVERY

    def _look(self, client: KubernetesClient, lost: Mapping[str, NodeDecision]) -> list[Seen]:
        items = client.get(LEASES, resourceVersion="0").get("items") or []
        leases = {each["metadata"]["name"]: each.get("spec") or {} for each in items}
        rows = Node.objects.filter(cluster_id=self.cluster_pk)
        workers = [row for row in rows if not _MASTERS & set(row.roles) and row.name in leases]
        self._leases = {name: each for name, each in self._leases.items() if name in leases}
        return [self._seen(client, row, leases[row.name], row.name in lost) for row in workers]

    def _seen(
        self, client: KubernetesClient, row: Node, lease: Mapping[str, object], known_lost: bool
    ) -> Seen:
        now, renewed = timezone.now(), str(lease.get("renewTime", ""))
        kept = self._leases.get(row.name)
        if kept is None or kept.renewed != renewed:
            kept = self._leases[row.name] = _Lease(renewed, now)
        length = lease.get("leaseDurationSeconds")
        seconds = length if isinstance(length, int) and length > 0 else 40
        seen = Seen(row.name, kept.changed_at, seconds, row.ready, kept.proxy, known_lost)
        if known_lost or not is_overdue(now, seen):
            return seen
        if kept.proxy is None or (now - kept.proxy[1]).total_seconds() > ASK_AGAIN:
            kept.proxy = (_proxy_says(client, row.name), timezone.now())
        return Seen(row.name, kept.changed_at, seconds, row.ready, kept.proxy, known_lost)

    def _carry_out(
        self, verdict: Verdict, client: KubernetesClient, lost: Mapping[str, NodeDecision]
    ) -> None:
        if verdict.action == "back":
            node_loss.release(row=lost[verdict.node], client=client)
            return
        kept = self._leases[verdict.node]
        row = node_decisions.record(
            cluster_pk=self.cluster_pk, verdict=verdict, failing_since=kept.changed_at
        )
        if verdict.action == "lost":
            _log.warning("node %s is lost: %s", verdict.node, row.witnesses)
            self._sweep(row, client)

    def _sweep(self, row: NodeDecision, client: KubernetesClient) -> None:
        try:
            node_loss.sweep(row=row, client=client)
        except ClusterError as error:
            _log.warning("node %s: %s", row.node, error)
            node_loss.problem(row, error)


def _proxy_says(client: KubernetesClient, node: str) -> Answer:
    """What the API server says when it is asked for the health of the node's agent. Raises ClusterUnreachable when it
    does not answer itself."""
    try:
        client.get_bytes(f"/api/v1/nodes/{node}/proxy/healthz")
    except ClusterUnreachable:
        # It waits for an agent that says nothing, or is gone itself.
        if client.readyz():
            return "silent"
        raise
    except ClusterRefused as error:
        if error.reason == "Forbidden":
            return "refused"
        if error.status in (502, 503, 504) or "trying to reach service" in error.why:
            return "silent"
        # Any other word is the agent's own.
        return "answered" if error.status < 500 else "refused"
    return "answered"
