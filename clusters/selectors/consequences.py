"""What deploying a plan would give and take: nodes, room for applications, what may be lost, how long it
takes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from clusters.hosts import facts
from clusters.models import Host
from clusters.planning.plan import PlanSpec
from clusters.planning.quorum import tolerated
from kcloud_site.operations.models import Operation, State

_RUNS = 4


@dataclass(frozen=True)
class Consequences:
    """`memory` in bytes; `seconds` shortest and longest of the last `runs` deployments, None before the
    first.
    """

    masters: int
    workers: int
    cores: int
    memory: int
    masters_may_be_lost: int
    workers_may_be_lost: int
    seconds: tuple[float, float] | None
    runs: int

    @property
    def nodes(self) -> int:
        """Masters and workers together."""
        return self.masters + self.workers


def consequences(spec: PlanSpec, workers: Collection[str]) -> Consequences:
    """What the plan means with these workers."""
    rows = Host.objects.filter(name__in=list(workers)).values_list("facts", flat=True)
    known = [found for row in rows if (found := facts.stored(row)) is not None]
    took = _durations()
    return Consequences(
        masters=len(spec.masters),
        workers=len(workers),
        cores=sum(found.cpus for found in known),
        memory=sum(found.memory for found in known),
        masters_may_be_lost=tolerated(len(spec.masters)),
        workers_may_be_lost=max(len(workers) - 1, 0),
        seconds=(min(took), max(took)) if took else None,
        runs=len(took),
    )


def _durations() -> list[float]:
    ended = Operation.objects.filter(kind="clusters.deploy", state=State.SUCCEEDED, attempts=1)
    pairs = ended.order_by("-id").values_list("started_at", "finished_at")[:_RUNS]
    return [(finish - start).total_seconds() for start, finish in pairs if start and finish]
