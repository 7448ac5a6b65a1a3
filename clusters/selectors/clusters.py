"""Reading clusters for the pages: the list worst first, one cluster's state with its reason, what differs
from its plan.

Answers are rows or frozen dataclasses in the reader's language; nothing here talks to a cluster. The
number of queries does not grow with the number of clusters or nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, CharField, Count, F, IntegerField, Q, QuerySet, Value, When
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clusters.models import Cluster, Membership, Node
from clusters.observing.comparison import Difference, PlannedNode, compare
from clusters.observing.health import UNGUARDED, listed
from clusters.observing.nodes import NodeTaint, from_json
from clusters.planning.plan import PlanSpec, load
from kcloud_site.operations.models import ACTIVE, Operation, State
from kcloud_site.operations.progress import title_of

# What a list calls a cluster's state: its life until it runs, then its health. Worst first.
SHOWN = ("down", "failed", "unknown", "degraded", "deploying", "resetting", "draft", "healthy")


@dataclass(frozen=True)
class ClusterFilter:
    """Of the list: part of a name, a region's name, a shown state, a version. Empty: any."""

    text: str = ""
    region: str = ""
    state: str = ""
    version: str = ""


@dataclass(frozen=True)
class Situation:
    """State, why, what next: the band on top of a cluster's page. `calm`: all is well, nothing waits."""

    key: str
    word: str
    why: str
    following: str
    since: datetime | None
    calm: bool = False


def with_shown() -> QuerySet[Any]:
    """Clusters with `shown` (a key of SHOWN), `rank` (0 is worst), and their node counts."""
    shown = Case(
        When(state=Cluster.State.READY, then=F("health")), default=F("state"), output_field=CharField()
    )
    rank = Case(
        *(When(shown=key, then=Value(number)) for number, key in enumerate(SHOWN)),
        default=Value(len(SHOWN)),
        output_field=IntegerField(),
    )
    return (
        Cluster.objects.select_related("region")
        .annotate(shown=shown)
        .annotate(
            rank=rank,
            nodes_total=Count("nodes"),
            nodes_ready=Count("nodes", filter=Q(nodes__ready="True")),
        )
    )


def clusters_for(wanted: ClusterFilter) -> QuerySet[Any]:
    """The list, worst first, then by name."""
    found = with_shown().order_by("rank", "name")
    if wanted.text:
        found = found.filter(name__icontains=wanted.text)
    if wanted.region:
        found = found.filter(region__name=wanted.region)
    if wanted.state:
        found = found.filter(shown=wanted.state)
    if wanted.version:
        found = found.filter(version=wanted.version)
    return found


def summary() -> list[tuple[str, int]]:
    """How many clusters in each shown state, worst first; one query."""
    counts: dict[str, int] = {}
    for state, health, count in (
        Cluster.objects.order_by().values_list("state", "health").annotate(count=Count("id"))
    ):
        key = health if state == Cluster.State.READY else state
        counts[key] = counts.get(key, 0) + count
    return [(key, counts.get(key, 0)) for key in SHOWN]


def versions() -> list[str]:
    """Versions that run, newest name first, for the filter."""
    found = Cluster.objects.exclude(version="").order_by("-version").values_list("version", flat=True)
    return list(found.distinct())


def operations_at_work(clusters: Iterable[Cluster]) -> dict[int, Operation]:
    """The active operation of each cluster, with its steps counted; one query for all."""
    ids = {str(cluster.pk): cluster.pk for cluster in clusters}
    rows = (
        Operation.objects.filter(subject_type="clusters.cluster", subject_id__in=list(ids), state__in=ACTIVE)
        .defer("inputs")
        .annotate(
            steps_total=Count("steps"),
            steps_done=Count("steps", filter=Q(steps__state__in=(State.SUCCEEDED, State.SKIPPED))),
        )
    )
    return {ids[row.subject_id]: row for row in rows}


def progress_word(operation: Operation) -> str:
    """ "Step 6 of 9": the step at work, as people count."""
    total, done = getattr(operation, "steps_total", 0), getattr(operation, "steps_done", 0)
    if operation.state == State.PENDING:
        return _("Waiting to start")
    return _("Step %(now)d of %(total)d") % {"now": min(done + 1, total), "total": total}


def recent_operations(cluster: Cluster, count: int = 5) -> list[Operation]:
    """The newest operations about this cluster."""
    mine = Operation.objects.filter(subject_type="clusters.cluster", subject_id=str(cluster.pk))
    found = list(mine.defer("inputs").order_by("-id")[:count])
    for operation in found:
        operation.title = title_of(operation.kind)  # type: ignore[attr-defined]
    return found


def situation(cluster: Cluster, nodes: Iterable[Node], operations: Iterable[Operation]) -> Situation:
    """Why the cluster is in its state, and what happens next. `operations`: its newest first."""
    if cluster.state == Cluster.State.READY:
        return _health(cluster, list(nodes))
    newest = next(iter(operations), None)
    if cluster.state == Cluster.State.DRAFT:
        return Situation(
            "draft",
            _("Draft"),
            _("The cluster is planned, nothing has been touched yet."),
            _("Check the plan against its hosts, then deploy it."),
            cluster.created_at,
        )
    if cluster.state == Cluster.State.FAILED:
        failure = newest.failure if newest else {}
        why = " ".join(text for text in (failure.get("what"), failure.get("why")) if text)
        return Situation(
            "failed",
            _("Deployment failed"),
            why or _("The last operation did not end well."),
            str(
                failure.get("remedy")
                or _("Look at its log, then resume it: what succeeded is not done again.")
            ),
            newest.finished_at if newest else None,
        )
    deploying = cluster.state == Cluster.State.DEPLOYING
    return Situation(
        str(cluster.state),
        _("Deploying") if deploying else _("Resetting"),
        _("The hosts are being made into a cluster.") if deploying else _("The hosts are being cleaned."),
        _("The operation shows each step on each host, live."),
        newest.started_at if newest else None,
    )


def _health(cluster: Cluster, nodes: list[Node]) -> Situation:
    away = [node for node in nodes if node.ready != "True"]
    word = str(Cluster.Health(cluster.health).label)
    since = cluster.health_since
    if cluster.health == Cluster.Health.HEALTHY:
        return Situation("healthy", word, "", "", since, calm=True)
    if cluster.health == Cluster.Health.UNKNOWN:
        why = _("No watch has seen this cluster yet.")
        following = _("The watch process looks within seconds. If it stays so, start it: manage.py watch.")
        return Situation("unknown", word, why, following, since)
    if cluster.health == Cluster.Health.DOWN and len(away) < max(len(nodes), 1):
        following = _("What runs on the nodes may still serve. The portal tries again every few seconds.")
        return Situation("down", word, cluster.health_reason, following, since)
    if not away:
        following = _("Open the node: its conditions say what is short.")
        if cluster.health_reason.startswith(UNGUARDED):
            following = _(
                "Look at kcloud-network-policy.service there: while it is away, nothing new reaches the pods of "
                "that node. A cluster from before there was one gets it when it is deployed again."
            )
        return Situation(cluster.health, word, cluster.health_reason, following, since)
    names = listed([node.name for node in away])
    why = ngettext(
        "%(count)d of %(total)d nodes is not ready: %(names)s.",
        "%(count)d of %(total)d nodes are not ready: %(names)s.",
        len(away),
    ) % {"count": len(away), "total": len(nodes), "names": names}
    return Situation(cluster.health, word, why, _("Open the node: its conditions say why."), since)


def current_spec(cluster: Cluster) -> tuple[int, PlanSpec] | None:
    """Number and plan of the newest revision; None for an imported cluster."""
    revision = cluster.revisions.order_by("-number").first()
    return (revision.number, load(revision.spec)) if revision else None


def planned_nodes(cluster: Cluster, spec: PlanSpec) -> list[PlannedNode]:
    """The workers that should be nodes: members, and hosts the newest plan names that are not members yet."""
    members = list(
        Membership.objects.filter(cluster=cluster, role=Membership.Role.WORKER).select_related("host")
    )
    named = {host: pool.name for pool in spec.pools for host in pool.hosts}
    counted = {pool.name for pool in spec.pools if pool.count}
    pools = {pool.name: pool for pool in spec.pools}
    found = []
    for member in members:
        pool = pools.get(named.get(member.host.name, member.pool))
        found.append(
            PlannedNode(
                member.host.name,
                member.host.address,
                spec.version,
                dict(pool.labels) if pool else {},
                tuple(NodeTaint(each.key, each.value, each.effect) for each in pool.taints) if pool else (),
                planned=member.host.name in named or member.pool in counted,
            )
        )
    absent = named.keys() - {member.host.name for member in members}
    found.extend(PlannedNode(name, member=False) for name in absent)
    return found


def differences(cluster: Cluster, spec: PlanSpec) -> list[Difference]:
    """Planned against real, from what the watch last saw."""
    real = [from_json(data) for data in cluster.nodes.values_list("status", flat=True)]
    return compare(planned_nodes(cluster, spec), real)


def in_words(difference: Difference) -> tuple[str, str]:
    """One difference as a sentence, and the remedy."""
    sentence, remedy = _words()[difference.kind]
    facts = {
        "node": difference.node,
        "planned": difference.planned or "–",
        "real": difference.real or "–",
        "what": difference.what,
    }
    return sentence % facts, remedy % facts


def _words() -> Mapping[str, tuple[str, str]]:
    deploy = _("Deploy the cluster again: it brings the node back to the plan.")
    change = _("Remove it from the node, or add it to the pool in the plan.")
    return {
        "missing": (
            _("%(node)s is planned, but is no node of the cluster."),
            _("Look at the host: its agent may not run. Then deploy again."),
        ),
        "not-member": (
            _("%(node)s is in the plan, but was not deployed yet."),
            _("Check the plan and deploy it."),
        ),
        "unplanned": (
            _("%(node)s is a node, but no host of the plan."),
            _("Add its host to a pool, or remove the node from the cluster."),
        ),
        "removed": (
            _("%(node)s still runs, but the plan no longer names it."),
            _("Put it back into a pool, or take it out of the cluster."),
        ),
        "version": (_("%(node)s runs %(real)s instead of %(planned)s."), deploy),
        "address": (
            _("%(node)s has the address %(real)s instead of %(planned)s."),
            _("Correct the host's address, or the network of the machine."),
        ),
        "label": (_("%(node)s has the label %(what)s=%(real)s instead of %(planned)s."), deploy),
        "label-extra": (_("%(node)s has the label %(what)s=%(real)s, which nobody planned."), change),
        "taint": (_("%(node)s has the taint %(what)s=%(real)s instead of %(planned)s."), deploy),
        "taint-extra": (_("%(node)s has the taint %(what)s=%(real)s, which nobody planned."), change),
    }


def as_context(rows: Iterable[Cluster]) -> list[dict[str, Any]]:
    """Rows of the list with what is at work on them."""
    clusters = list(rows)
    at_work = operations_at_work(clusters)
    found = []
    for cluster in clusters:
        operation = at_work.get(cluster.pk)
        found.append(
            {
                "cluster": cluster,
                "key": getattr(cluster, "shown", cluster.state),
                "operation": operation,
                "progress": progress_word(operation) if operation else "",
            }
        )
    return found
