"""What is wrong, running or waiting on the whole platform: counts of the frame, the overview, search by name.

Every function costs a fixed number of queries, whatever the size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps as models
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.selectors import apps as applications
from clusters.models import Bundle, Cluster, Environment, Host, Node, Region
from clusters.selectors import environments, quotas, request_texts, requests
from clusters.selectors.resource_texts import amounts
from kcloud_site import status
from kcloud_site.audit import verification
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import progress
from kcloud_site.operations.models import ACTIVE, Operation, State
from kcloud_site.tenants import permissions
from kcloud_site.tenants.resources import Resources

MOST_ITEMS = 10
MOST_ROWS = 10

# A draft or a cluster at work is not "unwell"; these healths of a cluster that should serve are.
_UNWELL = (Cluster.Health.DOWN, Cluster.Health.UNKNOWN, Cluster.Health.DEGRADED)


@dataclass(frozen=True)
class Counts:
    """`unwell` clusters and the class of the worst, `running` operations."""

    unwell: int
    unwell_css: str
    running: int


def counts() -> Counts:
    """For the frame of every page: two queries."""
    found = {key: number for key, number in _cluster_counts().items() if key in (*_UNWELL, "failed")}
    worst = status.worst(found)
    return Counts(
        unwell=sum(found.values()),
        unwell_css=worst.css if worst else "is-off",
        running=Operation.objects.filter(state__in=ACTIVE).count(),
    )


def counts_for(user: Any) -> Counts:
    """The same for somebody who sees only the own tenants: one query, and no clusters."""
    mine = permissions.visible(Operation.objects.filter(state__in=ACTIVE), user, "operation.view")
    return Counts(unwell=0, unwell_css="is-off", running=mine.count())


def cluster_state(cluster: Cluster) -> str:
    """The key of the status vocabulary for a cluster: its health when it should serve, else what it is doing."""
    return cluster.health if cluster.state == Cluster.State.READY else cluster.state


def _cluster_counts() -> dict[str, int]:
    """Clusters by `cluster_state`, worst first."""
    rows = Cluster.objects.order_by().values_list("state", "health").annotate(Count("id"))
    found: dict[str, int] = {}
    for state, health, number in rows:
        key = health if state == Cluster.State.READY else state
        found[key] = found.get(key, 0) + number
    return dict(sorted(found.items(), key=lambda item: status.rank(item[0])))


@dataclass(frozen=True)
class Item:
    """One line of the to-do list: state, what, why, since, and the way to deal with it."""

    state: str
    title: str
    detail: str
    why: str
    since: datetime | None
    view: str
    argument: Any
    action: str

    @property
    def address(self) -> str:
        return reverse(self.view, args=[] if self.argument is None else [self.argument])


@dataclass(frozen=True)
class Overview:
    """What the first page shows. `is_new`: nothing was ever added, so the page says how to begin."""

    is_new: bool
    has_hosts: bool
    clusters: dict[str, int]
    nodes: int
    nodes_ready: int
    hosts: int
    spare: int
    unreachable: int
    running: int
    bundles: int
    items: Sequence[Item] = ()
    rows: Sequence[Cluster] = ()
    at_work: Sequence[Operation] = ()
    changes: Sequence[AuditEvent] = ()

    @property
    def cluster_count(self) -> int:
        return sum(self.clusters.values())

    @property
    def nodes_not_ready(self) -> int:
        return self.nodes - self.nodes_ready


def overview() -> Overview:
    hosts = Host.objects.aggregate(
        all=Count("id"),
        spare=Count("id", filter=Q(cluster=None, state=Host.State.READY)),
        unreachable=Count("id", filter=Q(state=Host.State.UNREACHABLE)),
    )
    nodes = Node.objects.aggregate(all=Count("id"), ready=Count("id", filter=Q(ready="True")))
    clusters = _cluster_counts()
    return Overview(
        is_new=not clusters and not hosts["all"],
        has_hosts=bool(hosts["all"]) or Region.objects.exists(),
        clusters=clusters,
        nodes=nodes["all"],
        nodes_ready=nodes["ready"],
        hosts=hosts["all"],
        spare=hosts["spare"],
        unreachable=hosts["unreachable"],
        running=Operation.objects.filter(state__in=ACTIVE).count(),
        bundles=Bundle.objects.filter(state=Bundle.State.VERIFIED).count(),
        items=_items(),
        rows=_worst_clusters(),
        at_work=titled(
            Operation.objects.filter(state__in=ACTIVE).defer("inputs").order_by("-id")[:MOST_ITEMS]
        ),
        changes=list(AuditEvent.objects.order_by("-at", "-id")[:6]),
    )


def _items() -> list[Item]:
    """Worst first, then the oldest."""
    items = [
        *_broken_trail(),
        *_failed_operations(),
        *_unwell_clusters(),
        *_drifted_environments(),
        *_lost_hosts(),
    ]
    items += [*_open_requests(), *_over_quota()]
    items.sort(key=lambda item: (status.rank(item.state), item.since is None, item.since))
    return items[: 2 * MOST_ITEMS]


def _broken_trail() -> list[Item]:
    """The audit trail, when its chain was found broken."""
    chain = verification.state()
    if chain.broken_at is None:
        return []
    return [
        Item(
            state="failed",
            title=_("The audit trail is broken"),
            detail=_("event %(id)s") % {"id": chain.broken_id} if chain.broken_id else "",
            why=_("Somebody wrote to the database past the portal. Compare with a backup."),
            since=chain.broken_at,
            view="operations:audit",
            argument=None,
            action=_("See cause"),
        )
    ]


def _failed_operations() -> list[Item]:
    """Failed ones that nothing came after on the same subject, as long as the subject is there."""
    newer = Operation.objects.filter(
        subject_type=OuterRef("subject_type"), subject_id=OuterRef("subject_id"), id__gt=OuterRef("id")
    )
    failed = Operation.objects.filter(~Exists(newer), state=State.FAILED).defer("inputs").order_by("-id")
    rows = _still_there(list(failed[: 5 * MOST_ITEMS]))[:MOST_ITEMS]
    return [
        Item(
            state="failed",
            title=str(progress.title_of(row.kind)),
            detail=row.subject_name,
            why=" ".join(str(row.failure.get(name) or "") for name in ("what", "remedy")).strip(),
            since=row.finished_at,
            view="operations:detail",
            argument=row.pk,
            action=_("Fix and resume"),
        )
        for row in rows
    ]


def _still_there(rows: list[Operation]) -> list[Operation]:
    """Those whose subject is a row that is still there, of whatever kind: one question for each kind."""
    ids: dict[str, set[str]] = {}
    for row in rows:
        if row.subject_id.isdigit():
            ids.setdefault(row.subject_type, set()).add(row.subject_id)
    there: set[tuple[str, str]] = set()
    for label, some in ids.items():
        try:
            model = models.get_model(label)
        except (LookupError, ValueError):
            continue
        found = model._default_manager.filter(pk__in=some).values_list("pk", flat=True)
        there |= {(label, str(pk)) for pk in found}
    return [row for row in rows if (row.subject_type, row.subject_id) in there]


def _unwell_clusters() -> list[Item]:
    unwell = Cluster.objects.filter(state=Cluster.State.READY, health__in=_UNWELL).select_related("region")
    return [
        Item(
            state=cluster.health,
            title=cluster.name,
            detail=str(cluster.region or ""),
            why=cluster.health_reason,
            since=cluster.health_since,
            view="clusters:detail",
            argument=cluster.name,
            action=_("See cause"),
        )
        for cluster in unwell[:MOST_ITEMS]
    ]


def _drifted_environments() -> list[Item]:
    """Those that nobody repairs by itself: by hand, or repaired too often."""
    drifted = Environment.objects.filter(state=Environment.State.DRIFTED).defer("sealed_token")
    return [
        Item(
            state="drifted",
            title=row.namespace,
            detail="",
            why=environments.why(row),
            since=row.changed_at,
            view="clusters:environment_by_namespace",
            argument=row.namespace,
            action=_("See cause"),
        )
        for row in drifted[:MOST_ITEMS]
    ]


def _lost_hosts() -> list[Item]:
    lost = Host.objects.filter(state=Host.State.UNREACHABLE).select_related("region")
    return [
        Item(
            state="unreachable",
            title=host.name,
            detail=str(host.region),
            why=host.state_reason,
            since=host.facts_at,
            view="clusters:host",
            argument=host.name,
            action=_("See cause"),
        )
        for host in lost[:MOST_ITEMS]
    ]


def _open_requests() -> list[Item]:
    """What tenants ask for and nobody has decided, and what was approved and could not be done."""
    return [
        Item(
            state=request_texts.STATUS[row.state],
            title=request_texts.title_of(row),
            detail=str(row.tenant),
            why=" ".join(filter(None, (row.failure.get("what", ""), row.reason))),
            since=row.changed_at,
            view="clusters:any_request",
            argument=row.pk,
            action=_("Decide") if row.state == row.State.OPEN else _("Apply again"),
        )
        for row in requests.waiting()[:MOST_ITEMS]
    ]


def _over_quota() -> list[Item]:
    """Tenants that have carved out more than they may use: a loan has ended."""
    return [
        Item(
            state="over-quota",
            title=_("Over quota"),
            detail=str(tenant),
            why=_(
                "More is carved out than there is: %(over)s. Nothing is stopped, nothing more can be carved out."
            )
            % {"over": amounts(Resources(**found.over))},
            since=None,
            view="clusters:quota",
            argument=tenant.name,
            action=_("See quota"),
        )
        for tenant, found in quotas.over_quota()[:MOST_ITEMS]
    ]


def _worst_clusters() -> Sequence[Cluster]:
    rows = Cluster.objects.select_related("region").annotate(
        node_count=Count("nodes"), ready_count=Count("nodes", filter=Q(nodes__ready="True"))
    )
    shown = list(rows.order_by("state", "name")[:1000])
    for cluster in shown:
        cluster.status_key = cluster_state(cluster)  # type: ignore[attr-defined]
    return sorted(shown, key=lambda cluster: (status.rank(cluster_state(cluster)), cluster.name))[:MOST_ROWS]


def titled(rows: QuerySet[Operation] | Sequence[Operation]) -> list[Operation]:
    found = list(rows)
    for row in found:
        row.title = progress.title_of(row.kind)  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True)
class Found:
    """What a search found, at most MOST_ROWS of each."""

    clusters: Sequence[Cluster] = ()
    hosts: Sequence[Host] = ()
    nodes: Sequence[Node] = ()
    operations: Sequence[Operation] = ()
    apps: Sequence[applications.Row] = ()

    def __bool__(self) -> bool:
        return bool(self.clusters or self.apps or self.hosts or self.nodes or self.operations)


def search(text: str, user: Any) -> Found:
    """Clusters, applications, hosts (also by address), nodes and operations (also by number) of that name."""
    if not text:
        return Found()
    clusters = list(Cluster.objects.filter(name__icontains=text)[:MOST_ROWS])
    for cluster in clusters:
        cluster.status_key = cluster_state(cluster)  # type: ignore[attr-defined]
    hosts = Host.objects.filter(Q(name__icontains=text) | Q(address__startswith=text)).select_related(
        "cluster"
    )
    nodes = Node.objects.filter(name__icontains=text).select_related("cluster")
    named = Q(subject_name__icontains=text)
    number = text.removeprefix("op-")
    if number.isascii() and number.isdigit() and len(number) < 10:
        named |= Q(pk=int(number))
    named_apps = applications.apps_for(user, tenant=None, wanted=applications.Filter(q=text))
    return Found(
        clusters=clusters,
        apps=applications.rows(named_apps.order_by("name", "pk")[:MOST_ROWS]),
        hosts=list(hosts[:MOST_ROWS]),
        nodes=list(nodes[:MOST_ROWS]),
        operations=titled(Operation.objects.filter(named).defer("inputs").order_by("-id")[:MOST_ROWS]),
    )
