"""Which hosts a plan really gets: named ones as named, counted ones out of the region's spare hosts. Pure.

The choice is the same every time: hosts that serve the pool already stay, then spare hosts in natural order
of their names (w2 before w10). So a second deployment of the same plan places everybody where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clusters.problems import PlanInvalid, Problem
from clusters.problems import gettext_noop as _

if TYPE_CHECKING:
    from clusters.planning.plan import PlanSpec


def natural(name: str) -> list[tuple[int, str]]:
    """A sort key that counts: w2 before w10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]+)", name) if part
    ]


@dataclass(frozen=True)
class Placement:
    """Host names by pool, and how many spare hosts were wanted beyond those there are."""

    pools: dict[str, tuple[str, ...]]
    missing: int

    @property
    def workers(self) -> dict[str, str]:
        """Each worker's pool."""
        return {host: pool for pool, hosts in self.pools.items() for host in hosts}


def resolve_pools(
    spec: PlanSpec, spare_hosts: Iterable[str], present: Mapping[str, str] | None = None
) -> dict[str, tuple[str, ...]]:
    """Host names by pool. `present`: which pool each host of this cluster serves now ({} before it is there).

    Raises PlanInvalid with the arithmetic when the spare hosts are too few.
    """
    found = place(spec, spare_hosts, present)
    if found.missing:
        wanted = sum(pool.count for pool in spec.pools)
        raise PlanInvalid([_too_few(spec.region, wanted, wanted - found.missing)])
    return found.pools


def place(spec: PlanSpec, spare_hosts: Iterable[str], present: Mapping[str, str] | None = None) -> Placement:
    """What the plan gets, as far as the spare hosts reach: first come, in the order of the pools."""
    named = {*spec.masters, *(host for pool in spec.pools for host in pool.hosts)}
    serving = present or {}
    free = sorted({host for host in spare_hosts if host not in named and host not in serving}, key=natural)
    found: dict[str, tuple[str, ...]] = {}
    missing = 0
    for pool in spec.pools:
        staying = sorted(
            (h for h, name in serving.items() if name == pool.name and h not in named), key=natural
        )
        chosen = staying[: pool.count]
        new = free[: pool.count - len(chosen)]
        free = free[len(new) :]
        missing += pool.count - len(chosen) - len(new)
        found[pool.name] = (*pool.hosts, *chosen, *new)
    return Placement(found, missing)


def _too_few(region: str, wanted: int, there: int) -> Problem:
    return Problem(
        "pools",
        "spare",
        _(
            "The pools ask for %(wanted)s spare hosts of region %(region)s, and there are %(there)s: "
            "%(missing)s too few."
        ),
        _("Enrol %(missing)s more hosts in the region, or ask for fewer."),
        {"region": region, "wanted": wanted, "there": there, "missing": wanted - there},
    )
