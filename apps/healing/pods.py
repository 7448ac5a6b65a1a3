"""Reads from a workload's pods what the ladder wants to know, and which are stuck on their way out. Pure.

Nothing raises on odd content: what is missing is not looping and not stuck.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from clusters.manifests.fields import map_of

# Beyond its grace period a pod may take this long; then its agent does not do its work.
LATE = timedelta(seconds=60)
_ENDED_FOR_MEMORY = "OOMKilled"


@dataclass(frozen=True)
class Looping:
    """Containers that start again and again. `restarts`: of the one that did so most."""

    names: tuple[str, ...] = ()
    oom: bool = False
    restarts: int = 0
    evidence: str = ""


@dataclass(frozen=True)
class StuckPod:
    """One that should have ended at `due` and is still there. `ended`: its agent has reported that nothing of it runs;
    `finalizers`: what it waits for then."""

    name: str
    uid: str
    node: str
    due: datetime
    ended: bool = False
    finalizers: tuple[str, ...] = ()


def looping(pods: Iterable[Mapping[str, Any]]) -> Looping:
    """What waits in CrashLoopBackOff, or ended just now after several tries."""
    names, oom, restarts, evidence = [], False, 0, ""
    for pod in pods:
        if map_of(pod.get("metadata")).get("deletionTimestamp"):
            continue
        for each in _list(map_of(pod.get("status")).get("containerStatuses")):
            count = each.get("restartCount")
            if not _loops(each) or not isinstance(count, int):
                continue
            names.append(str(each.get("name", "")))
            ended = _ended(each)
            oom = oom or ended.get("reason") == _ENDED_FOR_MEMORY
            if count >= restarts:
                pod_name = map_of(pod.get("metadata")).get("name", "")
                restarts = count
                evidence = f"{pod_name}: {ended.get('reason', '')}, exit code {ended.get('exitCode', '?')}"
    return Looping(tuple(dict.fromkeys(names)), oom, restarts, evidence)


def stuck(pods: Iterable[Mapping[str, Any]], now: datetime) -> list[StuckPod]:
    """Those whose time to end is over since LATE."""
    found = []
    for pod in pods:
        metadata = map_of(pod.get("metadata"))
        due = _moment(metadata.get("deletionTimestamp"))
        if due is None or now - due < LATE:
            continue
        finalizers = metadata.get("finalizers")
        found.append(
            StuckPod(
                str(metadata.get("name", "")),
                str(metadata.get("uid", "")),
                str(map_of(pod.get("spec")).get("nodeName", "")),
                due,
                ended=_has_ended(pod),
                finalizers=tuple(map(str, finalizers)) if isinstance(finalizers, list) else (),
            )
        )
    return found


def _has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether every container is reported to have ended. One of which nothing was reported may run."""
    states = [map_of(each.get("state")) for each in _list(map_of(pod.get("status")).get("containerStatuses"))]
    return bool(states) and all(map_of(each.get("terminated")) for each in states)


def _loops(container: Mapping[str, Any]) -> bool:
    state = map_of(container.get("state"))
    waiting = map_of(state.get("waiting")).get("reason") == "CrashLoopBackOff"
    return waiting or (not container.get("ready") and bool(map_of(state.get("terminated"))))


def _ended(container: Mapping[str, Any]) -> Mapping[str, Any]:
    state, last = map_of(container.get("state")), map_of(container.get("lastState"))
    return map_of(state.get("terminated")) or map_of(last.get("terminated"))


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else None


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [map_of(each) for each in value] if isinstance(value, list) else []
