"""How far a rollout is, pod by pod, and what it is stuck on. Pure: raw JSON of the API server in, a verdict out.

`judge(found, pods, release)` counts only what the API server says of the generation it has seen; `done` means that
every pod is of the new kind, available, and no old one is left. `hopeless` is set when waiting cannot help any more.
Odd content never raises: what is missing counts as not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clusters.manifests.fields import map_of, maps_of
from clusters.manifests.workload_labels import CONFIG_ANNOTATION, RELEASE_LABEL

Object = Mapping[str, Any]

# So many restarts of one container in one rollout say that it will not come up.
MOST_RESTARTS = 3
WAITING_IS_WRONG = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "StartError",
        "CrashLoopBackOff",
    }
)


@dataclass(frozen=True)
class PodState:
    """One pod: `reason` and `message` say what it waits for or died of ("" when it is well)."""

    name: str
    release: str
    config: str
    node: str
    phase: str
    ready: bool
    restarts: int
    reason: str = ""
    message: str = ""
    leaving: bool = False

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """`wanted` pods in all, of which `updated` are of the new kind, and `available` of those serve."""

    wanted: int
    updated: int
    ready: int
    available: int
    total: int
    done: bool
    stuck: str = ""
    hopeless: bool = False
    pods: tuple[PodState, ...] = ()

    def observed(self) -> dict[str, int]:
        """As Workload.observed keeps it."""
        return {
            "desired": self.wanted,
            "updated": self.updated,
            "ready": self.ready,
            "available": self.available,
            "pods": self.total,
        }


def judge(found: Object, pods: Iterable[Object], release: str) -> Progress:
    """`found`: the Deployment or StatefulSet; `pods`: all of the application's; `release`: what the new ones carry."""
    spec, status = map_of(found.get("spec")), map_of(found.get("status"))
    wanted = _count(spec.get("replicas"), 1)
    seen = _count(status.get("observedGeneration")) >= _count(map_of(found.get("metadata")).get("generation"))
    states = sorted(
        (pod_state(each) for each in pods), key=lambda each: (not each.reason, each.ready, each.name)
    )
    updated, total = _count(status.get("updatedReplicas")), _count(status.get("replicas"))
    ready, available = _count(status.get("readyReplicas")), _count(status.get("availableReplicas"))
    if found.get("kind") == "StatefulSet":
        # With nothing to update, a StatefulSet says the same revision twice and leaves the count out.
        same = status.get("currentRevision") == status.get("updateRevision")
        updated = max(updated, total if same else 0)
    whole = seen and updated == wanted == available and total == wanted
    stuck, hopeless = _stuck(
        status, [each for each in states if each.release == release and not each.leaving]
    )
    return Progress(
        wanted, updated, ready, available, total, whole, stuck, hopeless and not whole, tuple(states)
    )


def pod_state(pod: Object) -> PodState:
    """One pod in a line."""
    metadata, status = map_of(pod.get("metadata")), map_of(pod.get("status"))
    conditions = {each.get("type"): each for each in maps_of(status.get("conditions"))}
    containers = [*maps_of(status.get("initContainerStatuses")), *maps_of(status.get("containerStatuses"))]
    reason, message = _trouble(containers, conditions, status)
    return PodState(
        name=str(metadata.get("name", "")),
        release=str(map_of(metadata.get("labels")).get(RELEASE_LABEL, "")),
        config=str(map_of(metadata.get("annotations")).get(CONFIG_ANNOTATION, "")),
        node=str(map_of(pod.get("spec")).get("nodeName", "")),
        phase=str(status.get("phase", "")),
        ready=map_of(conditions.get("Ready")).get("status") == "True",
        restarts=sum(_count(each.get("restartCount")) for each in containers),
        reason=reason,
        message=message[:500],
        leaving=bool(metadata.get("deletionTimestamp")),
    )


def _trouble(containers: list[Object], conditions: Mapping[Any, Object], status: Object) -> tuple[str, str]:
    for each in containers:
        waiting = map_of(map_of(each.get("state")).get("waiting"))
        if waiting.get("reason") in WAITING_IS_WRONG:
            died = map_of(map_of(each.get("lastState")).get("terminated"))
            why = str(died.get("reason", "")) if waiting["reason"] == "CrashLoopBackOff" else ""
            return str(waiting["reason"]), " ".join(filter(None, (why, str(waiting.get("message", "")))))
    scheduled = map_of(conditions.get("PodScheduled"))
    if scheduled.get("status") == "False":
        return str(scheduled.get("reason", "Unschedulable")), str(scheduled.get("message", ""))
    for each in containers:
        ended = map_of(map_of(each.get("state")).get("terminated"))
        if ended and ended.get("exitCode"):
            return str(ended.get("reason", "Error")), f"exit code {ended.get('exitCode')}"
    if status.get("phase") == "Failed":
        return str(status.get("reason", "Failed")), str(status.get("message", ""))
    ready = map_of(conditions.get("Ready"))
    if status.get("phase") == "Running" and ready.get("status") == "False":
        return "NotReady", str(ready.get("message", ""))
    return "", ""


def _stuck(status: Object, mine: list[PodState]) -> tuple[str, bool]:
    """What it waits for, and whether waiting is in vain."""
    for each in maps_of(status.get("conditions")):
        if each.get("type") == "ReplicaFailure" and each.get("status") == "True":
            return f"{each.get('reason', '')}: {each.get('message', '')}"[:500], True
    for pod in mine:
        if pod.reason and pod.restarts >= MOST_RESTARTS:
            return f"{pod.name}: {pod.reason} {pod.message}".strip(), True
    waiting = next((each for each in mine if each.reason), None)
    if waiting is None:
        return "", False
    return f"{waiting.name}: {waiting.reason} {waiting.message}".strip(), waiting.reason == "InvalidImageName"


def _count(value: Any, default: int = 0) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
