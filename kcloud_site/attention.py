"""What is wrong or running on the whole platform: the counts in the frame. Two queries, whatever the size."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from clusters.models import Cluster
from kcloud_site import status
from kcloud_site.operations.models import ACTIVE, Operation

# A draft or a cluster at work is not "unwell"; these healths of a cluster that should serve are.
_UNWELL = (Cluster.Health.DOWN, Cluster.Health.UNKNOWN, Cluster.Health.DEGRADED)


@dataclass(frozen=True)
class Counts:
    """`unwell` clusters and the class of the worst, `running` operations."""

    unwell: int
    unwell_css: str
    running: int


def counts() -> Counts:
    rows = (
        Cluster.objects.filter(state=Cluster.State.READY, health__in=_UNWELL)
        .values_list("health")
        .annotate(Count("id"))
        .order_by()
    )
    by_health = dict(rows)
    failed = Cluster.objects.filter(state=Cluster.State.FAILED).count()
    if failed:
        by_health["failed"] = failed
    worst = status.worst(by_health)
    return Counts(
        unwell=sum(by_health.values()),
        unwell_css=worst.css if worst else "is-off",
        running=Operation.objects.filter(state__in=ACTIVE).count(),
    )
