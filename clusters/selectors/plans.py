"""Reading plans: the newest revision, its history, the hosts it may use, and what other clusters have
taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from django.db.models import OuterRef, QuerySet, Subquery

from clusters.models import Cluster, Host, PlanRevision
from clusters.planning.difference import Change, difference
from clusters.planning.networks import read_network
from clusters.planning.plan import PlanSpec, load

__all__ = [
    "HistoryEntry",
    "current_plan",
    "difference",
    "history",
    "host_regions",
    "newest_revisions",
    "planned_elsewhere",
    "pool_places",
    "selectable_hosts",
    "spare_hosts",
    "taken_networks",
]


@dataclass(frozen=True)
class HistoryEntry:
    """One revision with what it changed against the one before (None before the first)."""

    revision: PlanRevision
    changes: list[Change]


def current_plan(cluster: Cluster) -> tuple[PlanRevision, PlanSpec]:
    """The newest revision and its plan. PlanRevision.DoesNotExist for an imported cluster: it has none."""
    revision = cluster.revisions.order_by("-number").first()
    if revision is None:
        raise PlanRevision.DoesNotExist(f"{cluster.name} has no plan")
    return revision, load(revision.spec)


def history(revisions: Iterable[PlanRevision]) -> Iterator[HistoryEntry]:
    """Each of `revisions` (newest first, without a hole) with its changes; the last one is compared with
    nothing.
    """
    rows = list(revisions)
    for row, before in zip(rows, [*rows[1:], None], strict=True):
        yield HistoryEntry(row, difference(load(before.spec) if before else None, load(row.spec)))


def spare_hosts(region: str) -> list[str]:
    """Names of the region's hosts that belong to no cluster and answered when last asked."""
    rows = Host.objects.filter(region__name=region, cluster=None).exclude(state=Host.State.UNREACHABLE)
    return list(rows.values_list("name", flat=True))


def pool_places(cluster: Cluster | None) -> dict[str, str]:
    """Which pool each worker of the cluster serves now; {} before it is deployed."""
    if cluster is None:
        return {}
    rows = cluster.memberships.filter(role="worker").values_list("host__name", "pool")
    return dict(rows)


def selectable_hosts(cluster: Cluster | None) -> QuerySet[Host]:
    """Hosts a plan of this cluster may name: spare ones of any region, and its own."""
    mine = Host.objects.filter(cluster=None)
    if cluster is not None:
        mine |= Host.objects.filter(cluster=cluster)
    return mine.select_related("region").order_by("region__name", "name")


def host_regions(names: Iterable[str]) -> dict[str, str]:
    """Which region each of the named hosts stands in."""
    return dict(Host.objects.filter(name__in=list(names)).values_list("name", "region__name"))


def newest_revisions(exclude: Cluster | None) -> Iterator[tuple[Cluster, PlanSpec]]:
    """Every other cluster that has a plan, with the newest one."""
    newest = PlanRevision.objects.filter(cluster=OuterRef("cluster")).order_by("-number").values("number")
    rows = PlanRevision.objects.select_related("cluster").filter(number=Subquery(newest[:1]))
    for row in rows.exclude(cluster=exclude) if exclude is not None else rows:
        yield row.cluster, load(row.spec)


def taken_networks(exclude: Cluster | None) -> dict[str, list[IPv4Network]]:
    """Pod and service networks of every other planned cluster, by its name."""
    return {
        cluster.name: [read_network(spec.network.pod_cidr), read_network(spec.network.service_cidr)]
        for cluster, spec in newest_revisions(exclude)
    }


def planned_elsewhere(exclude: Cluster | None) -> dict[str, str]:
    """Hosts that another draft names too, with that cluster's name."""
    found: dict[str, str] = {}
    for cluster, spec in newest_revisions(exclude):
        for host in (*spec.masters, *(host for pool in spec.pools for host in pool.hosts)):
            found[host] = cluster.name
    return found
