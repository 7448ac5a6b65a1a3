"""Reading hosts, regions and credentials: lists worst first, their counts, and what a host's page shows.

Every list takes the same number of queries however long it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from clusters.hosts import facts as fact_shapes
from clusters.hosts.facts import HostFacts
from clusters.models import Cluster, Credential, Host, Region
from kcloud_site.operations.models import ACTIVE, Operation

NEEDS_ATTENTION = Q(state=Host.State.UNREACHABLE) | (Q(state=Host.State.NEW) & ~Q(state_reason=""))
_WORST_FIRST = Case(
    When(state=Host.State.UNREACHABLE, then=Value(0)),
    When(NEEDS_ATTENTION, then=Value(1)),
    When(state=Host.State.NEW, then=Value(2)),
    default=Value(3),
    output_field=IntegerField(),
)
SPARE = "-"


@dataclass(frozen=True)
class HostCounts:
    """The summary above the list: each number is a filter of it."""

    total: int
    unreachable: int
    new: int
    spare: int
    used: int


def host_list(chosen: Mapping[str, Any]) -> QuerySet[Host]:
    """Hosts that fit the filter (q, region, state, cluster; "-" is spare), worst first, then by name."""
    found = Host.objects.select_related("region", "cluster")
    if chosen.get("region"):
        found = found.filter(region__name=chosen["region"])
    if chosen.get("state"):
        found = found.filter(state=chosen["state"])
    if chosen.get("cluster") == SPARE:
        found = found.filter(cluster=None)
    elif chosen.get("cluster"):
        found = found.filter(cluster__name=chosen["cluster"])
    if chosen.get("q"):
        found = found.filter(Q(name__icontains=chosen["q"]) | Q(address__startswith=chosen["q"]))
    return found.alias(rank=_WORST_FIRST).order_by("rank", "name")


def host_counts() -> HostCounts:
    """How many hosts there are of each sort, in one query."""
    ready = Q(state=Host.State.READY)
    counts = Host.objects.aggregate(
        total=Count("pk"),
        unreachable=Count("pk", filter=Q(state=Host.State.UNREACHABLE)),
        new=Count("pk", filter=Q(state=Host.State.NEW)),
        spare=Count("pk", filter=ready & Q(cluster=None)),
        used=Count("pk", filter=Q(cluster__isnull=False)),
    )
    return HostCounts(**counts)


def filter_choices() -> dict[str, list[tuple[str, str]]]:
    """(value, word) of the regions and clusters a list can be filtered by."""
    regions = [(region.name, str(region)) for region in Region.objects.all()]
    clusters = list(Cluster.objects.filter(hosts__isnull=False).distinct().values_list("name", "name"))
    return {"regions": regions, "clusters": clusters}


def facts_of(host: Host) -> HostFacts | None:
    """What was gathered last; None before the first time."""
    return fact_shapes.stored(host.facts)


def operations_of(host: Host, most: int = 5) -> list[Operation]:
    """The newest operations about the host itself."""
    return list(Operation.objects.filter(subject_type="clusters.host", subject_id=str(host.pk))[:most])


def active_operation(host: Host) -> Operation | None:
    """What is at work on the host now."""
    return Operation.objects.filter(
        subject_type="clusters.host", subject_id=str(host.pk), state__in=ACTIVE
    ).first()


def region_list() -> QuerySet[Region]:
    """Regions with `host_total`, `spare_total`, `bad_total` and `cluster_total`."""
    return Region.objects.annotate(
        host_total=_count(Host, Q()),
        spare_total=_count(Host, Q(cluster=None, state=Host.State.READY)),
        bad_total=_count(Host, NEEDS_ATTENTION),
        cluster_total=_count(Cluster, Q()),
    )


def credential_list() -> QuerySet[Credential]:
    """Credentials with `host_total`; the secret stays in the database."""
    return Credential.objects.defer("sealed_secret").annotate(host_total=Count("hosts"))


def _count(model: type[Host] | type[Cluster], where: Q) -> Coalesce:
    """A count per region as a subquery: joins of several lists would multiply each other."""
    counted = (
        model._default_manager.filter(where, region=OuterRef("pk"))
        .order_by()
        .values("region")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)
