"""Pods of applications as a watch tells them, read from raw JSON into structs with just the fields pages show. Pure.

`pods_in(data)` reads a list, `event_in(line)` one line of a watch; unknown fields are skipped, not built, which is what
makes a pod cost microseconds. `PodMirror` keeps them by application and tells which applications changed.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION, RELEASE_LABEL, SLOT_LABEL


class Labels(msgspec.Struct, frozen=True, gc=False):
    """Ours; nobody else's labels matter here."""

    app: str = msgspec.field(default="", name=APP_LABEL)
    release: str = msgspec.field(default="", name=RELEASE_LABEL)
    slot: str = msgspec.field(default="", name=SLOT_LABEL)


class Annotations(msgspec.Struct, frozen=True, gc=False):
    """Ours."""

    config: str = msgspec.field(default="", name=CONFIG_ANNOTATION)


_NO_LABELS, _NO_ANNOTATIONS = Labels(), Annotations()


class Metadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    labels: Labels = _NO_LABELS
    annotations: Annotations = _NO_ANNOTATIONS
    deletion_timestamp: str | None = None
    resource_version: str = ""


class Placed(msgspec.Struct, frozen=True, rename="camel", gc=False):
    node_name: str = ""


class Moment(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Of a container that waits or has ended."""

    reason: str = ""
    message: str = ""
    exit_code: int = 0


class Container(msgspec.Struct, frozen=True, gc=False):
    """What a container does now."""

    waiting: Moment | None = None
    terminated: Moment | None = None


_NOTHING = Container()


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel", gc=False):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    state: Container = _NOTHING
    last_state: Container = _NOTHING


class Condition(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""


class Status(msgspec.Struct, frozen=True, rename="camel", gc=False):
    phase: str = ""
    reason: str = ""
    message: str = ""
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None


_NO_METADATA, _NOWHERE, _NO_STATUS = Metadata(), Placed(), Status()


class SeenPod(msgspec.Struct, frozen=True, gc=False):
    """One pod, kept as it was read; what people ask of it is worked out when they ask."""

    metadata: Metadata = _NO_METADATA
    spec: Placed = _NOWHERE
    status: Status = _NO_STATUS

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and application."""
        return self.metadata.namespace, self.metadata.labels.app

    @property
    def leaving(self) -> bool:
        """Whether it has been told to stop."""
        return self.metadata.deletion_timestamp is not None

    @property
    def ready(self) -> bool:
        """Whether requests are sent to it."""
        return any(each.type == "Ready" and each.status == "True" for each in self.status.conditions or ())

    @property
    def restarts(self) -> int:
        """Of all its containers."""
        return sum(each.restart_count for each in self.status.container_statuses or ())

    @property
    def trouble(self) -> tuple[str, str]:
        """Why it is not well, as Kubernetes words it, with its message; two empty texts when it is."""
        for each in self.status.container_statuses or ():
            waiting, last = each.state.waiting, each.last_state.terminated
            if waiting is not None and waiting.reason not in ("", "ContainerCreating", "PodInitializing"):
                died = last.reason if last is not None and waiting.reason == "CrashLoopBackOff" else ""
                return waiting.reason, f"{died} {waiting.message}".strip()
            ended = each.state.terminated
            if ended is not None and ended.exit_code:
                return ended.reason or "Error", f"exit code {ended.exit_code}"
        for condition in self.status.conditions or ():
            if condition.type == "PodScheduled" and condition.status == "False":
                return condition.reason or "Unschedulable", condition.message
        return (
            (self.status.reason or "Failed", self.status.message)
            if self.status.phase == "Failed"
            else ("", "")
        )

    def as_row(self) -> dict[str, str | int | bool]:
        """What pages keep of it."""
        reason, message = self.trouble
        return {
            "name": self.metadata.name,
            "uid": self.metadata.uid,
            "release": self.metadata.labels.release,
            "slot": self.metadata.labels.slot,
            "config": self.metadata.annotations.config,
            "node": self.spec.node_name,
            "phase": self.status.phase,
            "ready": self.ready,
            "restarts": self.restarts,
            "reason": reason,
            "message": message[:300],
            "started": self.status.start_time or "",
            "leaving": self.leaving,
        }


class _Metadata(msgspec.Struct, rename="camel", gc=False):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class PodList(msgspec.Struct, gc=False):
    """A page of a list."""

    items: list[SeenPod] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)


class PodEvent(msgspec.Struct, frozen=True, gc=False):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK."""

    type: str
    object: SeenPod


_LIST = msgspec.json.Decoder(PodList)
_RAW_LIST = msgspec.json.Decoder(_RawList)
_POD = msgspec.json.Decoder(SeenPod)
_EVENT = msgspec.json.Decoder(PodEvent)


def pods_in(data: bytes) -> PodList:
    """A list's page. A pod of another shape than Kubernetes' is left out: one strange pod hides no others.
    Raises msgspec.DecodeError for what is no list at all."""
    try:
        return _LIST.decode(data)
    except msgspec.ValidationError:
        raw = _RAW_LIST.decode(data)
        return PodList([pod for each in raw.items or () if (pod := _one(each)) is not None], raw.metadata)


def event_in(line: bytes) -> PodEvent | None:
    """One line of a watch; None for a strange one. An ERROR line is the adapter's business."""
    try:
        return _EVENT.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _one(raw: msgspec.Raw) -> SeenPod | None:
    try:
        return _POD.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class PodMirror:
    """All pods of applications on one cluster. Not for several threads at once."""

    def __init__(self) -> None:
        self._by_app: dict[tuple[str, str], dict[str, SeenPod]] = {}
        self._changed: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        return sum(len(pods) for pods in self._by_app.values())

    @property
    def apps(self) -> set[tuple[str, str]]:
        """Namespace and name of each application that has pods."""
        return set(self._by_app)

    def replace(self, pods: Iterable[SeenPod]) -> None:
        """Everything there is, from a list. Applications that look as before are not told of."""
        before, self._by_app = self._by_app, {}
        for pod in pods:
            self._by_app.setdefault(pod.key, {})[pod.metadata.name] = pod
        for key in before.keys() | self._by_app.keys():
            if before.get(key) != self._by_app.get(key):
                self._changed.add(key)

    def take(self, event: PodEvent) -> None:
        """One event of a watch."""
        pod, key = event.object, event.object.key
        if event.type == "BOOKMARK" or not key[1]:
            return
        if event.type == "DELETED":
            pods = self._by_app.get(key, {})
            pods.pop(pod.metadata.name, None)
            if not pods:
                self._by_app.pop(key, None)
        else:
            self._by_app.setdefault(key, {})[pod.metadata.name] = pod
        self._changed.add(key)

    def changes(self) -> list[tuple[str, str]]:
        """The applications that changed since this was asked last."""
        changed, self._changed = sorted(self._changed), set()
        return changed

    def of(self, namespace: str, app: str) -> list[SeenPod]:
        """The application's pods."""
        return list(self._by_app.get((namespace, app), {}).values())
