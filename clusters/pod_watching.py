"""Follows the pods of applications on one cluster: one list, then one watch, whatever the number of namespaces.

A reader thread keeps the mirror, a teller says every quarter of a second at most which applications changed
(clusters.signals.pods_changed); so a thousand events of one rollout cost its application a few writes. Versions that
expired mean list again. Errors are logged, never fatal; whether the cluster answers is judged by the nodes' watch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import msgspec
from django.db import DatabaseError, close_old_connections, connection

from clusters.errors import ClusterError, WatchExpired
from clusters.manifests.workload_labels import APP_LABEL
from clusters.models import Cluster
from clusters.observing.pods import PodMirror, SeenPod, event_in, pods_in
from clusters.signals import pods_changed
from kcloud_site.tenants.encryption import SecretUnreadable

PODS = "/api/v1/pods"
PAGE = 2000
WATCH_SECONDS = 240.0
TELL_EVERY = 0.25
LONGEST_PAUSE = 15.0

logger = logging.getLogger(__name__)


class Client(Protocol):
    """What following needs of the adapter."""

    def get_bytes(self, path: str, **params: Any) -> bytes: ...
    def watch_lines(
        self, path: str, resource_version: str, timeout: float = 300.0, **selectors: Any
    ) -> Iterator[bytes]: ...
    def close(self) -> None: ...


Connect = Callable[[Cluster], Client]


class PodFollower:
    """One cluster, two threads. `stop()` ends both at once, wherever they wait."""

    def __init__(self, cluster_pk: int, connect: Connect) -> None:
        self.cluster_pk = cluster_pk
        self._connect = connect
        self._stop = threading.Event()
        self._news = threading.Event()
        self._guard = threading.Lock()
        self._mirror = PodMirror()
        self._whole = False
        self._client: Client | None = None
        self._failures = 0
        self._threads = [
            threading.Thread(target=self._run, name=f"pods-{cluster_pk}", daemon=True),
            threading.Thread(target=self._tell, name=f"pods-told-{cluster_pk}", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._news.set()
        if self._client is not None:
            self._client.close()

    def join(self, timeout: float) -> None:
        for thread in self._threads:
            thread.join(timeout)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    # ---- reading -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                close_old_connections()
                self._turn()
        finally:
            connection.close()

    def _turn(self) -> None:
        try:
            self._client = self._connect(Cluster.objects.get(pk=self.cluster_pk))
            self._follow(self._client)
        except WatchExpired:
            logger.info("watch of pods on cluster %s expired: listing again", self.cluster_pk)
        except Cluster.DoesNotExist:
            self.stop()
        except (ClusterError, SecretUnreadable, msgspec.DecodeError, DatabaseError) as error:
            self._failed(str(error))
        except Exception:
            logger.exception("watch of pods on cluster %s stumbled", self.cluster_pk)
            self._failed("")
        finally:
            if self._client is not None:
                self._client.close()

    def _follow(self, client: Client) -> None:
        pods, version = self._list(client)
        with self._guard:
            self._mirror.replace(pods)
            self._whole = True
        self._news.set()
        self._failures = 0
        while not self._stop.is_set():
            lines = client.watch_lines(PODS, version, timeout=WATCH_SECONDS, labelSelector=APP_LABEL)
            for line in lines:
                version = self._take(line) or version
                if self._stop.is_set():
                    return

    def _list(self, client: Client) -> tuple[list[SeenPod], str]:
        """Page by page, so that no answer is huge; all pages are of one moment."""
        found: list[SeenPod] = []
        query: dict[str, Any] = {"labelSelector": APP_LABEL, "limit": PAGE}
        while True:
            page = pods_in(client.get_bytes(PODS, **query))
            found.extend(page.items or ())
            if not page.metadata.continue_:
                return found, page.metadata.resource_version
            query["continue"] = page.metadata.continue_

    def _take(self, line: bytes) -> str:
        event = event_in(line)
        if event is None:
            return ""
        with self._guard:
            self._mirror.take(event)
        self._news.set()
        return event.object.metadata.resource_version

    def _failed(self, why: str) -> None:
        if self._stop.is_set():
            return
        self._failures += 1
        logger.warning("watch of pods on cluster %s: %s", self.cluster_pk, why)
        self._stop.wait(min(0.5 * 2 ** (self._failures - 1), LONGEST_PAUSE))

    # ---- telling -------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        try:
            while not self._stop.is_set():
                self._news.wait()
                if self._stop.is_set():
                    return
                self._news.clear()
                self._tell_changes()
                self._stop.wait(TELL_EVERY)
        finally:
            connection.close()

    def _tell_changes(self) -> None:
        with self._guard:
            whole, self._whole = self._whole, False
            keys = self._mirror.changes()
            if whole:
                keys = sorted({*keys, *self._mirror.apps})
            pods = {key: self._mirror.of(*key) for key in keys}
        if not pods and not whole:
            return
        close_old_connections()
        told = pods_changed.send_robust(sender=None, cluster_pk=self.cluster_pk, pods=pods, whole=whole)
        if any(isinstance(answer, Exception) for _receiver, answer in told):
            # Told again, all of it, rather than lost.
            with self._guard:
                self._whole = True
            self._news.set()
            self._stop.wait(TELL_EVERY * 4)
