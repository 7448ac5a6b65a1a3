"""Where pods could go: which nodes take one, how many in all, and what keeps the others from it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.previewing.facts import Room, as_map, as_maps
from clusters.problems import gettext_noop as _

# Why a node takes no pod, for people.
NOT_READY, CORDONED, TAINT = _("not ready"), _("closed to new pods"), _("a taint the pods do not tolerate")
SELECTOR, CPU, MEMORY = _("not one of those chosen"), _("too little CPU"), _("too little memory")
FULL = _("its number of pods is reached")


@dataclass(frozen=True)
class Places:
    """How many pods fit altogether, on which nodes, and how many nodes take none for each reason."""

    pods: int
    nodes: tuple[str, ...]
    against: tuple[tuple[str, int], ...]


def places(rooms: tuple[Room, ...], template: Mapping[str, Any], asked: Mapping[str, float]) -> Places:
    """For pods of this template that ask for so much each."""
    taken, nodes, against = 0, [], Counter[str]()
    for room in rooms:
        reason = _against(room, as_map(template.get("spec")))
        fit, short = _fit(room, asked)
        if reason or not fit:
            against[reason or short] += 1
        else:
            taken += fit
            nodes.append(room.name)
    return Places(taken, tuple(nodes), tuple(sorted(against.items(), key=lambda each: (-each[1], each[0]))))


def _against(room: Room, spec: Mapping[str, Any]) -> str:
    if not room.ready:
        return NOT_READY
    if not room.schedulable:
        return CORDONED
    if not as_map(spec.get("nodeSelector")).items() <= dict(room.labels).items():
        return SELECTOR
    tolerated = as_maps(spec.get("tolerations"))
    hard = [each for each in room.taints if each[1] in ("NoSchedule", "NoExecute")]
    return TAINT if any(not _tolerates(tolerated, *each) for each in hard) else ""


def _tolerates(rows: list[Mapping[str, Any]], key: str, effect: str) -> bool:
    return any(row.get("key") in (None, "", key) and row.get("effect") in (None, "", effect) for row in rows)


def _fit(room: Room, asked: Mapping[str, float]) -> tuple[int, str]:
    """How many pods fit, and what there is too little of when none does."""
    found = [(max(0, int(room.pods)), FULL)]
    for name, free, word in (("cpu", room.cpu, CPU), ("memory", room.memory, MEMORY)):
        one = asked.get(f"requests.{name}", 0.0)
        if one > 0:
            found.append((max(0, int(free / one + 1e-9)), word))
    return min(found, key=lambda each: each[0])
