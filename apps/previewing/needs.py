"""How many pods there are at each moment of a rollout, and what they ask for. Pure.

At the height of a rolling deployment there are old and new pods side by side; `peak_of` is the most that any mixture of
them can ask for, so a rollout that fits by it never stalls for want of room."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.previewing.facts import Object, as_map, as_maps
from clusters.observing.nodes import quantity

BLUE_GREEN, RECREATE = "blue-green", "recreate"


@dataclass(frozen=True)
class Wave:
    """A rollout in numbers: pods now, pods wanted, pods more and fewer on the way, and whether pods are replaced."""

    before: int
    after: int
    surge: int
    unavailable: int
    replaced: bool
    strategy: str = "rolling"

    @property
    def most(self) -> int:
        """Pods at once, at most."""
        if not self.replaced or self.strategy == RECREATE:
            return max(self.before, self.after)
        if self.strategy == BLUE_GREEN:
            return self.before + self.after
        return max(self.before, self.after + self.surge)


def amount(text: str, pods: int, *, up: bool) -> int:
    """ "25%" of so many pods, as Kubernetes rounds it: surge up, unavailable down."""
    if not text.endswith("%"):
        return int(text)
    share = int(text[:-1]) * pods / 100
    return math.ceil(share) if up else math.floor(share)


def peak_of(wave: Wave, old: float, new: float) -> float:
    """The most that old and new pods together ask for, when one asks for `old` or `new`."""
    if not wave.replaced:
        return max(wave.before * old, wave.after * new)
    if wave.strategy == RECREATE:
        return max(wave.before * old, wave.after * new)
    if wave.strategy == BLUE_GREEN:
        return wave.before * old + wave.after * new
    total = wave.after + wave.surge
    # Linear in how many are new already, so the most is at one of the ends.
    first = wave.before * old + min(wave.after, max(0, total - wave.before)) * new
    last = wave.after * new + min(wave.before, wave.surge) * old
    return max(first, last, wave.before * old)


def asks(template: Mapping[str, Any], limits: tuple[Object, ...] = ()) -> dict[str, float]:
    """What one pod of this template asks for and may use, as a ResourceQuota counts: {"requests.cpu": …, "pods": 1}.
    What a container leaves out, the namespace's LimitRange fills in."""
    total: dict[str, float] = {"pods": 1.0}
    defaults = _defaults(limits)
    for container in as_maps(as_map(template.get("spec")).get("containers")):
        for what in ("requests", "limits"):
            given = as_map(as_map(container.get("resources")).get(what))
            told = {**defaults[what], **{str(name): value for name, value in given.items()}}
            if what == "requests":
                # A limit alone counts as the request.
                told = {**as_map(as_map(container.get("resources")).get("limits")), **told}
            for name, value in told.items():
                total[f"{what}.{name}"] = total.get(f"{what}.{name}", 0.0) + quantity(value)
    return total


def _defaults(limits: tuple[Object, ...]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {"requests": {}, "limits": {}}
    for each in limits:
        for row in as_maps(as_map(each.get("spec")).get("limits")):
            if row.get("type") == "Container":
                found["requests"].update(as_map(row.get("defaultRequest")))
                found["limits"].update(as_map(row.get("default")))
    return found
