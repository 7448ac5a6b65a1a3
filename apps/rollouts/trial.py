"""Whether the pods on trial are well. Pure: raw JSON of the API server in, a verdict out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.rollouts.progress import WAITING_IS_WRONG, PodState, pod_state

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """`ready`: all wanted pods take requests. `wrong`: what is not well; with `hopeless` it will not become so."""

    ready: bool
    wrong: str = ""
    hopeless: bool = False
    pods: tuple[PodState, ...] = ()


def judge_trial(pods: Iterable[Object], wanted: int, number: int, failing: Mapping[str, int]) -> Trial:
    """`number`: the revision they run with; `failing`: how often a probe of a pod failed, by its name, since all were
    ready."""
    states = tuple(
        state for each in pods if (state := pod_state(each)).config == str(number) and not state.leaving
    )
    ready = len(states) >= wanted and all(each.ready for each in states)
    for each in states:
        if each.restarts:
            return Trial(
                False, f"{each.name}: {each.reason or 'Restarted'} {each.message}".strip(), True, states
            )
        if failing.get(each.name):
            return Trial(False, f"{each.name}: Unhealthy", True, states)
    waiting = next((each for each in states if each.reason), None)
    wrong = f"{waiting.name}: {waiting.reason} {waiting.message}".strip() if waiting else ""
    hopeless = waiting is not None and waiting.reason in WAITING_IS_WRONG and waiting.reason != "ErrImagePull"
    return Trial(ready, wrong, hopeless, states)


def probe_failures(events: Iterable[Object]) -> dict[str, int]:
    """How often probes failed, by pod."""
    found: dict[str, int] = {}
    for each in events:
        about = each.get("involvedObject") or {}
        if each.get("reason") == "Unhealthy" and about.get("kind") == "Pod":
            name = str(about.get("name", ""))
            found[name] = found.get(name, 0) + int(each.get("count") or 1)
    return found


def newly_failing(known: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    """How often probes failed since `known` was counted, by pod."""
    return {name: count - known.get(name, 0) for name, count in now.items() if count > known.get(name, 0)}
