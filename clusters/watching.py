"""The watch process: per cluster one thread follows its nodes and writes what changed, and others follow what they do
(clusters.pod_watching: the pods of applications).

Contract: clusters that are READY are shared out among any number of watchers by a lease each
(`watch:<pk>`); a new one is noticed within seconds, a dead watcher's clusters are taken over when its
leases end. A thread lists once, then watches from there; an expired version means list again; a cluster
that does not answer twice is down until it does. Ends cleanly when `stop` is set: streams cut, threads
joined, leases given back. Errors are logged, never fatal.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Protocol

from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from clusters import access
from clusters.errors import ClusterError, WatchExpired
from clusters.manifests.network_policy import LEASES_PATH
from clusters.models import Cluster, Node
from clusters.observing.health import unreachable
from clusters.observing.nodes import node_status
from clusters.observing.policies import guard
from clusters.services import observation
from kcloud_site.operations import leases, processes
from kcloud_site.tenants.encryption import SecretUnreadable

LOOK_EVERY = 1.0
MOST_A_LOOK = 8
LEASE = timedelta(seconds=10)
# A silent server is noticed when a watch of this length ends without a word.
WATCH_SECONDS = 15.0
FAILURES_UNTIL_DOWN = 2
LONGEST_PAUSE = 15.0
NODES = "/api/v1/nodes"

logger = logging.getLogger(__name__)


class Following(Protocol):
    """Something that follows one cluster in threads of its own."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def join(self, timeout: float) -> None: ...
    @property
    def alive(self) -> bool: ...


class Client(Protocol):
    """What following needs of the adapter."""

    def get(self, path: str, **params: Any) -> dict[str, Any]: ...
    def version(self) -> str: ...
    def watch(self, path: str, resource_version: str = "", timeout: float = 300.0) -> Any: ...
    def close(self) -> None: ...


Connect = Callable[[Cluster], Client]
Beside = Callable[[int], Following]


class Follower:
    """One cluster, one thread. `stop()` ends it at once, wherever it waits."""

    def __init__(self, cluster_pk: int, connect: Connect) -> None:
        self.cluster_pk = cluster_pk
        self._connect = connect
        self._stop = threading.Event()
        self._client: Client | None = None
        self._failures = 0
        self._unguarded: tuple[str, ...] = ()
        self._thread = threading.Thread(target=self._run, name=f"watch-{cluster_pk}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._client is not None:
            self._client.close()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                close_old_connections()
                self._turn()
        finally:
            connection.close()

    def _turn(self) -> None:
        """One list with the watches that follow it, until something ends them."""
        try:
            cluster = Cluster.objects.get(pk=self.cluster_pk)
            self._client = self._connect(cluster)
            self._follow(self._client, agents=cluster.origin == Cluster.Origin.DEPLOYED)
        except WatchExpired:
            logger.info("watch of cluster %s expired: listing again", self.cluster_pk)
        except Cluster.DoesNotExist:
            self._stop.set()
        except (ClusterError, SecretUnreadable) as error:
            self._failed(str(error))
        except DatabaseError:
            logger.exception("watch of cluster %s could not write", self.cluster_pk)
            self._stop.wait(LOOK_EVERY)
        except Exception:
            logger.exception("watch of cluster %s stumbled", self.cluster_pk)
            self._failed("")
        finally:
            if self._client is not None:
                self._client.close()

    def _follow(self, client: Client, *, agents: bool) -> None:
        """`agents`: whether the nodes have our policy agents; other people's clusters keep policies in their way."""
        observation.record_version(cluster_pk=self.cluster_pk, version=client.version())
        whole = client.get(NODES, resourceVersion="0")
        seen = [node_status(each) for each in whole.get("items") or []]
        observation.replace_nodes(cluster_pk=self.cluster_pk, seen=seen)
        self._judge(client if agents else None)
        self._failures = 0
        version = str((whole.get("metadata") or {}).get("resourceVersion", ""))
        while not self._stop.is_set():
            for kind, item in client.watch(NODES, version, timeout=WATCH_SECONDS):
                version = str((item.get("metadata") or {}).get("resourceVersion") or version)
                self._take(kind, item)
                if self._stop.is_set():
                    return
            observation.touch(cluster_pk=self.cluster_pk)
            if agents:
                self._judge(client)

    def _judge(self, client: Client | None = None) -> None:
        """The cluster's health; with a client the policy agents' leases are read first. Not watched: each is renewed
        every few seconds, and only silence is news."""
        if client is not None:
            beats = client.get(LEASES_PATH, resourceVersion="0").get("items") or []
            nodes = Node.objects.filter(cluster_id=self.cluster_pk).values_list("name", flat=True)
            self._unguarded = guard(nodes, beats, timezone.now()).unguarded
        observation.judge_cluster(cluster_pk=self.cluster_pk, unguarded=self._unguarded)

    def _take(self, kind: str, item: dict[str, Any]) -> None:
        seen = node_status(item)
        if kind == "BOOKMARK" or not seen.name:
            return
        if kind == "DELETED":
            changed = observation.remove_node(cluster_pk=self.cluster_pk, name=seen.name)
        else:
            changed = observation.record_node(cluster_pk=self.cluster_pk, seen=seen)
        if changed:
            self._judge()

    def _failed(self, why: str) -> None:
        if self._stop.is_set():
            return
        self._failures += 1
        if self._failures >= FAILURES_UNTIL_DOWN and why:
            try:
                observation.record_health(cluster_pk=self.cluster_pk, health=unreachable(why))
            except DatabaseError:
                logger.exception("health of cluster %s could not be written", self.cluster_pk)
        logger.warning("watch of cluster %s: %s", self.cluster_pk, why)
        self._stop.wait(min(0.5 * 2 ** (self._failures - 1), LONGEST_PAUSE))


class Watcher:
    """Shares the READY clusters with other watchers and follows its own."""

    def __init__(
        self,
        *,
        connect: Connect = access.open_kubernetes,
        lease: timedelta = LEASE,
        beside: Sequence[Beside] = (),
    ) -> None:
        """`beside`: what else follows each cluster, while the lease is ours."""
        self._connect = connect
        self._beside = beside
        self._lease = lease
        self._owner = processes.identity()
        self._held: dict[int, tuple[leases.Held, list[Following]]] = {}

    @property
    def watched(self) -> list[int]:
        return sorted(self._held)

    def run(self, stop: threading.Event) -> None:
        """Look, follow, keep, until told to stop."""
        try:
            while not stop.is_set():
                self.look()
                stop.wait(LOOK_EVERY)
        finally:
            self.end()

    def look(self) -> None:
        """One pass: keep our leases, drop what is gone, take at most one cluster more (so that watchers
        that start together share)."""
        close_old_connections()
        try:
            wanted = set(Cluster.objects.filter(state=Cluster.State.READY).values_list("pk", flat=True))
            for pk in list(self._held):
                self._keep_or_drop(pk, wanted)
            self._take_some(sorted(wanted - set(self._held)))
        except DatabaseError:
            logger.exception("the watcher could not look for clusters")

    def end(self) -> None:
        """Stop everything and give the leases back."""
        for _held, followers in self._held.values():
            _stop(followers)
        for held, followers in self._held.values():
            _join(followers)
            try:
                leases.release(held)
            except DatabaseError:
                logger.warning("lease %s could not be given back: it ends by itself", held.name)
        self._held.clear()

    def _take_some(self, missing: list[int]) -> None:
        """At most half of them, so that watchers that start together share."""
        room = min(MOST_A_LOOK, (len(missing) + 1) // 2)
        for pk in missing:
            if room == 0:
                return
            room -= self._take(pk)

    def _take(self, pk: int) -> bool:
        held = leases.acquire(name=f"watch:{pk}", owner=self._owner, length=self._lease)
        if held is None:
            return False
        followers: list[Following] = [Follower(pk, self._connect), *(make(pk) for make in self._beside)]
        self._held[pk] = (held, followers)
        for follower in followers:
            follower.start()
        logger.info("watching cluster %s", pk)
        return True

    def _keep_or_drop(self, pk: int, wanted: set[int]) -> None:
        held, followers = self._held[pk]
        alive = all(follower.alive for follower in followers)
        if pk in wanted and alive and leases.renew(held, length=self._lease):
            return
        logger.info("no longer watching cluster %s", pk)
        _stop(followers)
        _join(followers)
        del self._held[pk]
        leases.release(held)


def _stop(followers: Sequence[Following]) -> None:
    for follower in followers:
        follower.stop()


def _join(followers: Sequence[Following]) -> None:
    for follower in followers:
        follower.join(5.0)
