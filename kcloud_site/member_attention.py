"""The first page of somebody who works in tenants: which they are, what runs, what needs the person.

A fixed number of queries, whatever the number of tenants, environments and operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.selectors import approvals
from clusters.models import Environment
from kcloud_site import status
from kcloud_site.attention import MOST_ITEMS, Item, titled
from kcloud_site.operations import progress
from kcloud_site.operations.models import ACTIVE, Operation, State
from kcloud_site.tenants import permissions, selectors
from kcloud_site.tenants.models import Grant, Invitation, Tenant

# An exception that ends this soon is worth a line.
SOON = timedelta(days=2)
MOST_TENANTS = 20
_UNWELL = (Environment.State.FAILED, Environment.State.DRIFTED)


@dataclass(frozen=True)
class TenantLine:
    """One tenant of the person, the role in words, and its environments by state, worst first."""

    tenant: Any
    role: Any
    environments: dict[str, int]


@dataclass(frozen=True)
class MemberOverview:
    """What the first page shows a member."""

    tenants: Sequence[TenantLine]
    tenant_total: int
    items: Sequence[Item]
    at_work: Sequence[Operation]


def overview(user: Any) -> MemberOverview:
    found = selectors.tenants_for(user)
    shown = list(found[:MOST_TENANTS])
    states = _environment_states(user, shown)
    operations = permissions.visible(Operation.objects.defer("inputs"), user, "operation.view")
    return MemberOverview(
        tenants=[
            TenantLine(tenant, selectors.role_title(user, tenant), states.get(tenant.pk, {}))
            for tenant in shown
        ],
        tenant_total=len(shown) if len(shown) < MOST_TENANTS else found.count(),
        items=_items(user, operations),
        at_work=titled(operations.filter(state__in=ACTIVE).order_by("-id")[:MOST_ITEMS]),
    )


def _environment_states(user: Any, tenants: Sequence[Tenant]) -> dict[int, dict[str, int]]:
    rows = permissions.visible(Environment.objects.filter(tenant__in=tenants), user, "environment.view")
    found: dict[int, dict[str, int]] = {}
    counted = rows.order_by().values_list("tenant_id", "state").annotate(Count("id"))
    for tenant_id, state, number in sorted(counted, key=lambda row: status.rank(row[1])):
        found.setdefault(tenant_id, {})[state] = number
    return found


def _items(user: Any, operations: QuerySet[Operation]) -> list[Item]:
    """Worst first, then the oldest."""
    items = [
        *_failed(operations),
        *deployments_asked_for(user),
        *_unwell(user),
        *_without_owner(user),
        *_lapsed_invitations(user),
        *_ending_exceptions(user),
    ]
    items.sort(key=lambda item: (status.rank(item.state), item.since is None, item.since))
    return items[:MOST_ITEMS]


def _failed(operations: QuerySet[Operation]) -> list[Item]:
    """Failed operations that nothing came after on the same subject."""
    newer = Operation.objects.filter(
        subject_type=OuterRef("subject_type"), subject_id=OuterRef("subject_id"), id__gt=OuterRef("id")
    )
    rows = operations.filter(~Exists(newer), state=State.FAILED).order_by("-id")[:MOST_ITEMS]
    return [
        Item(
            state="failed",
            title=str(progress.title_of(row.kind)),
            detail=row.subject_name,
            why=" ".join(str(row.failure.get(name) or "") for name in ("what", "remedy")).strip(),
            since=row.finished_at,
            view="operations:detail",
            argument=row.pk,
            action=_("See cause"),
        )
        for row in rows
    ]


def _unwell(user: Any) -> list[Item]:
    rows = permissions.visible(Environment.objects.filter(state__in=_UNWELL), user, "environment.view")
    return [
        Item(
            state=row.state,
            title=row.name,
            detail=str(row.tenant),
            why=str(row.state_reason.get("what") or ""),
            since=row.changed_at,
            view="clusters:environment_by_namespace",
            argument=row.namespace,
            action=_("See cause"),
        )
        for row in rows.select_related("tenant")[:MOST_ITEMS]
    ]


def deployments_asked_for(user: Any) -> list[Item]:
    """Deployments others asked for and the person may decide on."""
    return [
        Item(
            state="approval",
            title=str(row),
            detail=str(row.tenant),
            why=_("%(who)s asks to deploy it: %(reason)s")
            % {"who": row.requested_by_name, "reason": row.reason},
            since=row.created_at,
            view="apps:approvals",
            argument=row.tenant.name,
            action=_("Decide"),
        )
        for row in approvals.waiting_for(user)[:MOST_ITEMS]
    ]


def _without_owner(user: Any) -> list[Item]:
    rows = selectors.tenants_for(user).filter(owner_total=0, closed_at__isnull=True)
    return [
        Item(
            state="degraded",
            title=str(tenant),
            detail="",
            why=_("Nobody answers for this tenant: it has no owner."),
            since=tenant.created_at,
            view="tenants:detail",
            argument=tenant.name,
            action=_("See the tenant"),
        )
        for tenant in rows[:MOST_ITEMS]
    ]


def _lapsed_invitations(user: Any) -> list[Item]:
    """Invitations nobody took in their week, to tenants whose members the person manages."""
    lapsed = Invitation.objects.filter(
        accepted_at__isnull=True, revoked_at__isnull=True, expires_at__lte=timezone.now()
    )
    rows = permissions.visible(lapsed, user, "member.manage").select_related("tenant")
    return [
        Item(
            state="stopped",
            title=row.email,
            detail=str(row.tenant),
            why=_("The invitation has expired. Send it again, or revoke it."),
            since=row.expires_at,
            view="tenants:invitations",
            argument=row.tenant.name,
            action=_("See invitations"),
        )
        for row in rows[:MOST_ITEMS]
    ]


def _ending_exceptions(user: Any) -> list[Item]:
    """The person's own exceptions that end soon."""
    now = timezone.now()
    rows = Grant.objects.filter(
        Q(expires_at__gt=now, expires_at__lte=now + SOON), user=user, ended_at__isnull=True
    ).filter(tenant__memberships__user=F("user"), tenant__closed_at__isnull=True)
    return [
        Item(
            state="pending",
            title=row.permission,
            detail=row.object_name,
            why=_("Your exception ends soon. Ask an owner if you need it longer."),
            since=row.created_at,
            view="tenants:grants",
            argument=row.tenant.name,
            action=_("See exceptions"),
        )
        for row in rows.select_related("tenant").order_by("expires_at")[:MOST_ITEMS]
    ]
