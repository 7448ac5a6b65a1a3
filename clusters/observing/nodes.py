"""What an API server says about nodes and pods, read into structs with just the fields we show. Pure.

`node_status(raw)` and `pod_summary(raw)` take JSON objects as Kubernetes gives them and never fail on odd
content: what is missing or of the wrong type is left empty, because one strange node must not hide the
others. Quantities are turned into numbers (cores, bytes). Heartbeat times are not read: they change every
few seconds and mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

ROLE_LABEL = "node-role.kubernetes.io/"
_SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
    "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip


class Condition(msgspec.Struct, frozen=True):
    """One condition: `status` is "True", "False" or "Unknown"; `since` is ISO text, "" when not said."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: str = ""


class NodeTaint(msgspec.Struct, frozen=True):
    key: str
    value: str = ""
    effect: str = ""


class NodeStatus(msgspec.Struct, frozen=True):
    """One node. Capacities: CPU in cores, memory and storage in bytes, pods as a count."""

    name: str
    uid: str = ""
    roles: tuple[str, ...] = ()
    version: str = ""
    schedulable: bool = True
    internal_address: str = ""
    addresses: tuple[tuple[str, str], ...] = ()
    capacity: dict[str, float] = {}
    allocatable: dict[str, float] = {}
    conditions: tuple[Condition, ...] = ()
    taints: tuple[NodeTaint, ...] = ()
    labels: dict[str, str] = {}
    system: dict[str, str] = {}
    pod_cidr: str = ""
    created_at: str = ""

    @property
    def ready(self) -> Condition:
        """The Ready condition; Unknown when the node has not said anything yet."""
        found = (each for each in self.conditions if each.type == "Ready")
        return next(found, Condition("Ready", "Unknown", "NeverReported"))

    @property
    def pressures(self) -> tuple[Condition, ...]:
        """Conditions that should not hold and do: DiskPressure, MemoryPressure, NetworkUnavailable …"""
        return tuple(each for each in self.conditions if each.type != "Ready" and each.status == "True")


class PodSummary(msgspec.Struct, frozen=True):
    """One pod: `word` is what people call its state (Running, CrashLoopBackOff, Completed, …)."""

    name: str
    namespace: str
    word: str
    ready: int = 0
    containers: int = 0
    restarts: int = 0
    address: str = ""
    created_at: str = ""

    @property
    def is_well(self) -> bool:
        return self.word in ("Succeeded", "Completed") or (
            self.word == "Running" and self.ready == self.containers
        )


def node_status(raw: Mapping[str, Any]) -> NodeStatus:
    """The struct for one Node object."""
    metadata, spec, status = _map(raw, "metadata"), _map(raw, "spec"), _map(raw, "status")
    labels = _texts(metadata.get("labels"))
    addresses = tuple(
        (_text(each, "type"), _text(each, "address")) for each in _maps(status.get("addresses"))
    )
    return NodeStatus(
        name=_text(metadata, "name"),
        uid=_text(metadata, "uid"),
        roles=_roles(labels),
        version=_text(_map(status, "nodeInfo"), "kubeletVersion"),
        schedulable=spec.get("unschedulable") is not True,
        internal_address=next((address for kind, address in addresses if kind == "InternalIP"), ""),
        addresses=addresses,
        capacity=_quantities(status.get("capacity")),
        allocatable=_quantities(status.get("allocatable")),
        conditions=tuple(_condition(each) for each in _maps(status.get("conditions"))),
        taints=tuple(
            NodeTaint(_text(each, "key"), _text(each, "value"), _text(each, "effect"))
            for each in _maps(spec.get("taints"))
        ),
        labels=labels,
        system=_texts(status.get("nodeInfo")),
        pod_cidr=_text(spec, "podCIDR"),
        created_at=_text(metadata, "creationTimestamp"),
    )


def pod_summary(raw: Mapping[str, Any]) -> PodSummary:
    """The struct for one Pod object."""
    metadata, status = _map(raw, "metadata"), _map(raw, "status")
    containers = _maps(status.get("containerStatuses"))
    planned = len(_maps(_map(raw, "spec").get("containers")))
    return PodSummary(
        name=_text(metadata, "name"),
        namespace=_text(metadata, "namespace"),
        word=_pod_word(metadata, status, containers),
        ready=sum(each.get("ready") is True for each in containers),
        containers=max(planned, len(containers)),
        restarts=sum(_whole(each.get("restartCount")) for each in containers),
        address=_text(status, "podIP"),
        created_at=_text(metadata, "creationTimestamp"),
    )


class _Place(msgspec.Struct):
    nodeName: str = ""  # noqa: N815 Kubernetes' own spelling


class _Phase(msgspec.Struct):
    phase: str = ""


class _PlacedPod(msgspec.Struct):
    spec: _Place | None = None
    status: _Phase | None = None


class _PlacedPods(msgspec.Struct):
    items: list[_PlacedPod] = []


def pods_by_node(data: bytes) -> dict[str, int]:
    """How many pods each node carries, from a list's raw bytes; ended ones do not count. {} for nonsense."""
    try:
        found = msgspec.json.decode(data, type=_PlacedPods)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    counts: dict[str, int] = {}
    for pod in found.items:
        ended = pod.status is not None and pod.status.phase in ("Succeeded", "Failed")
        if pod.spec is not None and pod.spec.nodeName and not ended:
            counts[pod.spec.nodeName] = counts.get(pod.spec.nodeName, 0) + 1
    return counts


def as_json(status: NodeStatus) -> dict[str, Any]:
    """What Node.status stores: plain JSON, equal to what the database gives back."""
    data = msgspec.json.decode(msgspec.json.encode(status))
    assert isinstance(data, dict)
    return data


def from_json(data: Mapping[str, Any]) -> NodeStatus:
    """A NodeStatus out of a Node row; an empty or older row gives what it has."""
    try:
        return msgspec.convert(dict(data), NodeStatus)
    except msgspec.ValidationError:
        return NodeStatus(name=str(data.get("name", "")))


def with_conditions(status: NodeStatus, conditions: tuple[Condition, ...]) -> NodeStatus:
    """The same node with other conditions."""
    return msgspec.structs.replace(status, conditions=conditions)


def moment(text: str) -> datetime | None:
    """Kubernetes' time stamp as a datetime, or None when it is none."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def quantity(text: Any) -> float:
    """Kubernetes' "250m", "8Gi" or "1e3" as a number; 0 for nonsense."""
    words = str(text).strip()
    number = words.rstrip("numkKMGTPEi")
    if words[len(number) :] == "" or words[len(number) :] not in _SUFFIXES:
        number, suffix = words, ""
    else:
        suffix = words[len(number) :]
    try:
        found = float(Decimal(number) * _SUFFIXES[suffix])
    except ArithmeticError:  # Decimal's own errors are among them
        return 0.0
    return found if 0 <= found < 1e30 else 0.0


def _roles(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Role names from labels; "worker" for a node that has none, as kubectl users say."""
    found = sorted(key.removeprefix(ROLE_LABEL) for key in labels if key.startswith(ROLE_LABEL))
    return tuple(found) or ("worker",)


def _condition(raw: Mapping[str, Any]) -> Condition:
    return Condition(
        type=_text(raw, "type"),
        status=_text(raw, "status") or "Unknown",
        reason=_text(raw, "reason"),
        message=_text(raw, "message")[:1000],
        since=_text(raw, "lastTransitionTime"),
    )


def _pod_word(
    metadata: Mapping[str, Any], status: Mapping[str, Any], containers: list[Mapping[str, Any]]
) -> str:
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if reason := _text(status, "reason"):
        return reason
    for each in containers:
        state = _map(each, "state")
        for kind in ("waiting", "terminated"):
            reason = _text(_map(state, kind), "reason")
            if reason:
                return reason
    return _text(status, "phase") or "Unknown"


def _quantities(raw: Any) -> dict[str, float]:
    return {str(key): quantity(value) for key, value in raw.items()} if isinstance(raw, dict) else {}


def _map(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _maps(raw: Any) -> list[Mapping[str, Any]]:
    return [each for each in raw if isinstance(each, dict)] if isinstance(raw, list) else []


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _texts(raw: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in raw.items()} if isinstance(raw, dict) else {}


def _whole(raw: Any) -> int:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) else 0


def names(statuses: Iterable[NodeStatus]) -> list[str]:
    """Names in order, for sentences."""
    return sorted(each.name for each in statuses)
