"""Reads applications for lists and pages. Queries do not grow with pods or releases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, IntegerField, Max, Min, Prefetch, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from apps.models import App, Workload
from clusters.models import Environment
from kcloud_site import status
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant

STAGES = (Environment.Stage.DEV, Environment.Stage.TEST, Environment.Stage.PROD)
STATES = ("down", "unknown", "degraded", "updating", "healthy", "stopped", "new")


@dataclass(frozen=True)
class Filter:
    """Part of a name, the worst state of its workloads, a criticality; empty is any."""

    q: str = ""
    state: str = ""
    criticality: str = ""


@dataclass(frozen=True)
class Row:
    """One application of a list: its worst state, pods in all, and its workloads by stage."""

    app: App
    state: str
    available: int
    wanted: int
    release: str
    by_stage: Sequence[tuple[str, Sequence[Workload]]]
    changed_at: datetime


def apps_for(user: Any, *, tenant: Tenant | None, wanted: Filter) -> QuerySet[App]:
    """The applications a person may see, worst first, with their workloads at hand for those that are read."""
    found = permissions.visible(App.objects.select_related("tenant"), user, "app.view")
    if tenant is not None:
        found = found.filter(tenant=tenant)
    if wanted.q:
        found = found.filter(Q(name__icontains=wanted.q) | Q(title__icontains=wanted.q))
    if wanted.criticality:
        found = found.filter(criticality=wanted.criticality)
    found = _ranked(found)
    if wanted.state:
        found = found.filter(Q(rank=_rank(wanted.state)))
    workloads = Workload.objects.filter(binned_at__isnull=True).select_related("environment", "release")
    return (
        found.annotate(moved_at=Max("workloads__changed_at"))
        .prefetch_related(Prefetch("workloads", queryset=workloads, to_attr="placed"))
        .order_by("rank", "name", "pk")
    )


def _ranked(found: QuerySet[App]) -> QuerySet[App]:
    """With `rank`: of the worst state among its workloads, as _rank has it."""
    ranks = Case(
        *(When(workloads__state=state, then=Value(_rank(state))) for state in STATES),
        default=Value(_rank("unknown")),
        output_field=IntegerField(),
    )
    live = Q(workloads__pk__isnull=False, workloads__binned_at__isnull=True)
    return found.annotate(rank=Coalesce(Min(ranks, filter=live), Value(_rank("new"))))


def rows(found: Iterable[App]) -> list[Row]:
    """In the order of `found`."""
    return [_row(app) for app in found]


def counts(found: QuerySet[App]) -> list[tuple[str, int]]:
    """How many applications of `apps_for` are in each state: one question, however many there are."""
    plain = found.prefetch_related(None).order_by()
    numbers = plain.aggregate(**{state: Count("pk", filter=Q(rank=_rank(state))) for state in STATES})
    return [(state, numbers[state]) for state in STATES]


def workloads_of(app: App) -> list[Workload]:
    """Everywhere it runs or waits in the bin, worst first."""
    found = app.workloads.select_related("environment__cluster", "release", "tenant", "app")
    return sorted(found, key=lambda each: (_rank(each.state), each.environment.name))


def worst(workloads: Sequence[Workload]) -> str:
    """The state an application is called by; "new" while it runs nowhere."""
    return min((each.state for each in workloads), key=_rank, default="new")


def _rank(state: str) -> int:
    known = [each.key for each in status.VOCABULARY]
    key = status.get(state).key
    return known.index(key) if key in known else len(known)


def _row(app: App) -> Row:
    placed: list[Workload] = getattr(app, "placed", [])
    by_stage = [
        (str(stage), [each for each in placed if each.environment.stage == stage]) for stage in STAGES
    ]
    newest = max(
        (each.release for each in placed if each.release), key=lambda each: each.number, default=None
    )
    return Row(
        app=app,
        state=worst(placed),
        available=sum(int(each.observed.get("available", 0)) for each in placed),
        wanted=sum(each.wanted_replicas for each in placed),
        release=newest.version if newest else "",
        by_stage=by_stage,
        changed_at=getattr(app, "moved_at", None) or app.changed_at,
    )
