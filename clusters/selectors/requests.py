"""Requests as people meet them: a tenant's list, the operators' queue, one request and what it would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When

from clusters.models import TenantRequest
from clusters.selectors import quotas
from clusters.selectors.request_texts import STATUS, amount_of, title_of
from clusters.selectors.resource_texts import WORDS, amount
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.resources import PARTS

Kind, State = TenantRequest.Kind, TenantRequest.State
# What waits for somebody comes first.
_RANK = [State.OPEN, State.FAILED, State.APPROVED]


def requests_for(user: Any, *, tenant: Tenant | None = None, state: str = "") -> QuerySet[TenantRequest]:
    """Those the person may see, what waits for somebody first, then the newest."""
    rows = TenantRequest.objects.select_related("tenant")
    rows = rows.filter(tenant=tenant) if tenant else permissions.visible(rows, user, "request.view")
    if state:
        rows = rows.filter(state=state)
    ranks = [When(state=key, then=Value(rank)) for rank, key in enumerate(_RANK)]
    rank = Case(*ranks, default=Value(len(_RANK)), output_field=IntegerField())
    return rows.annotate(rank=rank).order_by("rank", "-id")


def counts(rows: QuerySet[TenantRequest]) -> list[tuple[str, str, int]]:
    """(state, its word, how many) of all states."""
    found = dict(rows.order_by().values_list("state").annotate(Count("id")))
    return [(state.value, str(state.label), found.get(state.value, 0)) for state in State]


def waiting() -> QuerySet[TenantRequest]:
    """What waits for a platform operator, oldest first."""
    rows = TenantRequest.objects.filter(state__in=(State.OPEN, State.FAILED))
    return rows.select_related("tenant").order_by("id")


@dataclass(frozen=True)
class Line:
    """One row of a list: the request, its title, and the key of the status vocabulary."""

    request: TenantRequest
    title: str
    status: str


def line(request: TenantRequest) -> Line:
    return Line(request, title_of(request), STATUS[State(request.state)])


@dataclass(frozen=True)
class Consequence:
    """One resource: what is asked for, what is free now, what is free after it; `short` when that is less than 0."""

    part: str
    word: str
    asked: str
    free: str
    after: str
    short: bool


def consequences(request: TenantRequest) -> list[Consequence]:
    """What applying it would do to what is free: an environment takes, quota and loans give."""
    asked = amount_of(request)
    free = quotas.standing(request.tenant).free
    after = free - asked if request.kind == Kind.ENVIRONMENT else free + asked
    return [
        Consequence(
            part=part,
            word=str(WORDS[part]),
            asked=amount(part, getattr(asked, part)),
            free=amount(part, getattr(free, part)),
            after=amount(part, getattr(after, part)),
            short=getattr(after, part) < 0 and request.kind == Kind.ENVIRONMENT,
        )
        for part in PARTS
        if getattr(asked, part)
    ]
