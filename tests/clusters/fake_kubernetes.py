"""A cluster in memory for tests: the adapter's public methods, compared with the real ones by a test."""

from __future__ import annotations

import builtins
import copy
import json
import queue
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from clusters.adapters import applying
from clusters.adapters.answers import as_object, path_of
from clusters.adapters.execution import EXITED, Execution
from clusters.errors import ClusterRefused, ClusterUnreachable, ResourceConflict, ResourceNotFound
from clusters.manifests.network_policy import LEASES_PATH, WAY_LABEL


class FakeKubernetes:
    """`objects` by path, `raw` answers by path, `down` makes everything unreachable.

    A namespace takes what is in it along when it goes.
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
        # When the next token ends; what keeps a deleted object from going, in words.
        self.token_ends = "2036-01-01T00:00:00Z"
        self.stuck = ""
        # What the next commands answer, and those that were run: (pod's path, command, container).
        self.execution = Execution(b"", EXITED, 0)
        self.executed: builtins.list[tuple[str, builtins.list[str], str]] = []
        self.graces: builtins.list[int | None] = []
        self._applied: dict[str, dict[str, Any]] = {}
        self._version = 100

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        if path in self.raw:
            return as_object(self.get_bytes(path, **params), path)
        self._ask(path)
        if path in self.objects:
            return copy.deepcopy(self.objects[path])
        return {"metadata": {"resourceVersion": "100"}, "items": self.list(path, **params)}

    def get_bytes(self, path: str, **params: Any) -> bytes:
        self._ask(path)
        if path not in self.raw:
            raise ResourceNotFound(f"nothing at {path}", status=404)
        return self.raw[path]

    def list(self, path: str, **params: Any) -> list[dict[str, Any]]:
        self._ask(path)
        wanted = dict(each.split("=", 1) for each in str(params.get("labelSelector", "")).split(",") if each)
        return [
            copy.deepcopy(each)
            for name, each in self.objects.items()
            if self._is_in(name, path) and wanted.items() <= _labels(each).items()
        ]

    @staticmethod
    def _is_in(name: str, path: str) -> bool:
        """Of the collection itself, or of the same kind in any namespace."""
        folder = name.rsplit("/", 1)[0]
        root, _slash, kind = path.rpartition("/")
        everywhere = folder.startswith(f"{root}/namespaces/") and folder.rpartition("/")[2] == kind
        return folder == path or ("/namespaces/" not in path and everywhere)

    def version(self) -> str:
        self._ask("/version")
        return self.server_version

    def readyz(self) -> bool:
        self._ask("/readyz")
        return self.raw["/readyz"] == b"ok"

    def apply_all(
        self, objects: Iterable[dict[str, Any]], width: int = applying.WIDTH
    ) -> builtins.list[dict[str, Any]]:
        return applying.apply_all(self.apply, objects, 1)

    def apply(self, obj: dict[str, Any], force: bool = True, dry_run: bool = False) -> dict[str, Any]:
        """As the server does: what we applied before and do not apply now goes, what others wrote stays."""
        path = path_of(obj)
        self._ask(path)
        before = self._applied.get(path, {}) if path in self.objects else {}
        kept = _without(self.objects.get(path, {}), before, obj)
        _refuse_another_address(path, kept, obj)
        if dry_run:
            return _merged(kept, obj)
        self._applied[path] = copy.deepcopy(obj)
        made = _merged(kept, obj)
        if made["kind"] == "Service":
            made.setdefault("spec", {}).setdefault("clusterIP", "10.96.0.80")
        return self._keep(path, made)

    def patch(self, path: str, changes: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        self._ask(path)
        if path not in self.objects:
            raise ResourceNotFound(f"nothing at {path}", status=404)
        version = self.objects[path]["metadata"].get("resourceVersion", "")
        if changes.get("metadata", {}).get("resourceVersion", version) != version:
            raise ResourceConflict(f"{path} has changed meanwhile")
        made = _merged(self.objects[path], changes)
        return made if dry_run else self._keep(path, made)

    def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        self._ask(path)
        if path.endswith("/token"):
            return {
                **obj,
                "status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": self.token_ends},
            }
        made = copy.deepcopy(obj)
        place = f"{path}/{made['metadata']['name']}"
        if place in self.objects:
            raise ResourceConflict("there already", reason="AlreadyExists")
        made["metadata"].setdefault("uid", f"uid-{len(self.asked)}")
        self.objects[place] = made
        return copy.deepcopy(made)

    def delete(self, path: str, uid: str = "", grace: int | None = None) -> None:
        self._ask(path)
        self.graces.append(grace)
        if uid and self.objects.get(path, {}).get("metadata", {}).get("uid", uid) != uid:
            raise ResourceConflict("another one", reason="Conflict")
        if self.stuck and path in self.objects:
            self.objects[path]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            self.objects[path]["status"] = {"conditions": [{"status": "True", "message": self.stuck}]}
            return
        self.objects.pop(path, None)
        if path.startswith("/api/v1/namespaces/"):
            inside = path.removeprefix("/api/v1") + "/"
            self.objects = {name: each for name, each in self.objects.items() if inside not in name}

    def watch(
        self, path: str, resource_version: str = "", timeout: float = 300.0, **selectors: Any
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

    def watch_lines(
        self, path: str, resource_version: str = "", timeout: float = 300.0, **selectors: Any
    ) -> Iterator[bytes]:
        for kind, item in self.watch(path, resource_version, timeout, **selectors):
            yield json.dumps({"type": kind, "object": item}).encode()

    def execute(
        self, path: str, command: Sequence[str], *, container: str, seconds: float, max_output: int
    ) -> Execution:
        self._ask(f"{path}/exec")
        self.executed.append((path, list(command), container))
        return self.execution

    def close(self) -> None:
        self.closed = True
        self.events.put(ClusterUnreachable("closed"))

    def _keep(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """A change makes another version of the object; no change makes none."""
        if obj != self.objects.get(path):
            self._version += 1
            obj["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = obj
        return copy.deepcopy(obj)

    def _ask(self, path: str) -> None:
        self.asked.append(path)
        if self.down:
            raise self.down


def _refuse_another_address(path: str, kept: dict[str, Any], obj: dict[str, Any]) -> None:
    """A Service's address, and to have none, is for good."""
    if obj["kind"] != "Service" or path_of(obj) != path or not kept:
        return
    was, will = ((each.get("spec") or {}).get("clusterIP") == "None" for each in (kept, obj))
    if was != will:
        raise ClusterRefused(
            f'Service "{obj["metadata"]["name"]}" is invalid: spec.clusterIPs[0]: may not change once set',
            status=422,
        )


def _labels(obj: dict[str, Any]) -> dict[str, Any]:
    return dict(obj.get("metadata", {}).get("labels") or {})


def _merged(old: Any, new: dict[str, Any]) -> dict[str, Any]:
    """Mappings key by key, None removes; anything else, lists too, is replaced."""
    kept = copy.deepcopy(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            kept.pop(key, None)
        elif isinstance(value, dict):
            kept[key] = _merged(kept.get(key), value)
        else:
            kept[key] = copy.deepcopy(value)
    return kept


def _without(actual: dict[str, Any], before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """`actual` less the fields that `before` had and `now` has not."""
    kept = copy.deepcopy(actual)
    for key, value in before.items():
        if key not in now:
            kept.pop(key, None)
        elif isinstance(value, dict) and isinstance(now[key], dict) and isinstance(kept.get(key), dict):
            kept[key] = _without(kept[key], value, now[key])
    return kept


def with_nodes(*nodes: dict[str, Any]) -> FakeKubernetes:
    """A fake cluster that has these nodes, each with a policy agent that has spoken just now."""
    fake = FakeKubernetes()
    for node in nodes:
        name = node["metadata"]["name"]
        fake.objects[f"/api/v1/nodes/{name}"] = node
        fake.objects[f"{LEASES_PATH}/{name}"] = agent_lease(name)
    return fake


def agent_lease(node: str, *, age: float = 0.0, way: str = "iptables") -> dict[str, Any]:
    """The lease a node's policy agent renewed `age` seconds ago."""
    renewed = datetime.now(UTC) - timedelta(seconds=age)
    return {
        "kind": "Lease",
        "metadata": {"name": node, "labels": {WAY_LABEL: way}},
        "spec": {"holderIdentity": node, "renewTime": renewed.isoformat()},
    }
