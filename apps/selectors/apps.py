"""Reads applications for lists and pages. Queries do not grow with pods or releases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Prefetch, Q, QuerySet

from apps.models import App, Workload
from clusters.models import Environment
from kcloud_site import status
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant

STAGES = (Environment.Stage.DEV, Environment.Stage.TEST, Environment.Stage.PROD)
STATES = ("down", "unknown", "degraded", "updating", "healthy", "stopped", "new")


@dataclass(frozen=True)
class Filter:
    """Part of a name, a state of some workload, a criticality; empty is any."""

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
    """The applications a person may see, with their workloads at hand."""
    found = permissions.visible(App.objects.select_related("tenant"), user, "app.view")
    if tenant is not None:
        found = found.filter(tenant=tenant)
    if wanted.q:
        found = found.filter(Q(name__icontains=wanted.q) | Q(title__icontains=wanted.q))
    if wanted.criticality:
        found = found.filter(criticality=wanted.criticality)
    if wanted.state == "new":
        found = found.exclude(workloads__release__isnull=False)
    elif wanted.state:
        found = found.filter(workloads__state=wanted.state).distinct()
    workloads = Workload.objects.filter(binned_at__isnull=True).select_related("environment", "release")
    return found.annotate(moved_at=Max("workloads__changed_at")).prefetch_related(
        Prefetch("workloads", queryset=workloads, to_attr="placed")
    )


def rows(found: Iterable[App]) -> list[Row]:
    """Worst first, then by name."""
    made = [_row(app) for app in found]
    return sorted(made, key=lambda each: (_rank(each.state), each.app.name))


def counts(found: Iterable[Row]) -> list[tuple[str, int]]:
    """How many applications are in each state."""
    states = [each.state for each in found]
    return [(state, states.count(state)) for state in STATES]


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
