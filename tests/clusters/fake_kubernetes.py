"""A cluster in memory for tests: the adapter's public methods, compared with the real ones by a test."""

from __future__ import annotations

import builtins
import copy
import queue
from collections.abc import Iterator
from typing import Any

from clusters.adapters.answers import as_object, path_of
from clusters.errors import ClusterUnreachable, ResourceNotFound


class FakeKubernetes:
    """`objects` by path, `raw` answers by path, `down` makes everything unreachable.

    `events` is what the next watches give: ("ADDED", {...}) or an exception to raise; None ends a watch.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.raw: dict[str, bytes] = {"/readyz": b"ok"}
        self.down: Exception | None = None
        self.server_version = "v1.34.4"
        self.events: queue.Queue[Any] = queue.Queue()
        self.watched_from: list[str] = []
        self.asked: builtins.list[str] = []
        self.closed = False

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        if path in self.raw:
            return as_object(self.get_bytes(path, **params), path)
        self._ask(path)
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        return {"metadata": {"resourceVersion": "100"}, "items": self.list(path)}

    def get_bytes(self, path: str, **params: Any) -> bytes:
        self._ask(path)
        if path not in self.raw:
            raise ResourceNotFound(f"nothing at {path}", status=404)
        return self.raw[path]

    def list(self, path: str, **params: Any) -> list[dict[str, Any]]:
        self._ask(path)
        return [copy.deepcopy(each) for name, each in self.objects.items() if name.rsplit("/", 1)[0] == path]

    def version(self) -> str:
        self._ask("/version")
        return self.server_version

    def readyz(self) -> bool:
        self._ask("/readyz")
        return self.raw["/readyz"] == b"ok"

    def apply(self, obj: dict[str, Any], force: bool = True) -> dict[str, Any]:
        self._ask(path_of(obj))
        self.objects[path_of(obj)] = copy.deepcopy(obj)
        return copy.deepcopy(obj)

    def delete(self, path: str) -> None:
        self._ask(path)
        self.objects.pop(path, None)

    def watch(
        self, path: str, resource_version: str = "", timeout: float = 300.0
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        self._ask(path)
        self.watched_from.append(resource_version)
        while True:
            try:
                event = self.events.get(timeout=timeout)
            except queue.Empty:
                return  # as the real one: a watch ends by itself when its time is up
            if event is None:
                return
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.closed = True
        self.events.put(ClusterUnreachable("closed"))

    def _ask(self, path: str) -> None:
        self.asked.append(path)
        if self.down:
            raise self.down


def with_nodes(*nodes: dict[str, Any]) -> FakeKubernetes:
    """A fake cluster that has these nodes."""
    fake = FakeKubernetes()
    for node in nodes:
        fake.objects[f"/api/v1/nodes/{node['metadata']['name']}"] = node
    return fake
