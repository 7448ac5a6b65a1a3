"""Reading tenants, members, invitations and exceptions: a fixed number of queries, however many rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Grant, Invitation, Membership, Tenant
from kcloud_site.tenants.roles import GRANTABLE, PLATFORM_ROLES, RIGHTS, TENANT_ROLES, Owner, Role

# So many tenants the switch at the top of a page shows; the rest is found by name.
SWITCH_ROWS = 8


def tenants_for(user: Any, *, text: str = "", state: str = "") -> QuerySet[Any]:
    """The tenants the person may open, by name, with `member_total` and `owner_total`. `state`: open, closed or any."""
    found = permissions.tenants_of(user)
    if text:
        found = found.filter(Q(name__icontains=text) | Q(title__icontains=text))
    if state:
        found = found.filter(closed_at__isnull=state == "open")
    return found.annotate(
        member_total=Count("memberships"),
        owner_total=Count("memberships", filter=Q(memberships__role=Owner.key)),
    )


def role_title(user: Any, tenant: Tenant) -> Any:
    """What the person is in the tenant, in words."""
    role = permissions.role_in(user, tenant.pk) or permissions.platform_role(user)
    return role.title if role else ""


@dataclass(frozen=True)
class Choice:
    """One line of the tenant switch."""

    tenant: Tenant
    role: Any
    is_current: bool


@dataclass(frozen=True)
class Switch:
    """The tenant switch: where the person is, where else to go; `is_cut`: there are more than are shown."""

    current: Tenant | None
    choices: Sequence[Choice]
    is_cut: bool


def switch(user: Any, current: Tenant | None) -> Switch:
    """One query. The present tenant is among the choices, first."""
    rows = list(permissions.tenants_of(user).filter(closed_at__isnull=True)[: SWITCH_ROWS + 1])
    others = [tenant for tenant in rows[:SWITCH_ROWS] if tenant != current]
    shown = ([current] if current else []) + others
    choices = [Choice(tenant, role_title(user, tenant), tenant == current) for tenant in shown[:SWITCH_ROWS]]
    return Switch(current, choices, len(rows) > SWITCH_ROWS)


def members_of(tenant: Tenant, *, text: str = "", role: str = "") -> QuerySet[Any]:
    """Members by name, with `exception_total`, the exceptions in force."""
    found = Membership.objects.filter(tenant=tenant).select_related("user")
    if text:
        names = ("username", "first_name", "last_name", "email")
        wanted = Q()
        for name in names:
            wanted |= Q(**{f"user__{name}__icontains": text})
        found = found.filter(wanted)
    if role:
        found = found.filter(role=role)
    in_force = Q(
        user__grants__tenant=F("tenant"),
        user__grants__ended_at__isnull=True,
        user__grants__expires_at__gt=timezone.now(),
    )
    return found.annotate(exception_total=Count("user__grants", filter=in_force)).order_by("user__username")


def members_by_role(tenant: Tenant) -> list[tuple[type[Role], int]]:
    """How many members have each role, the mightiest first."""
    counts = dict(tenant.memberships.order_by().values_list("role").annotate(Count("id")))
    return [(role, counts.get(role.key, 0)) for role in reversed(TENANT_ROLES)]


def invitations_to(tenant: Tenant) -> QuerySet[Invitation]:
    """Open ones first, then the newest."""
    return Invitation.objects.filter(tenant=tenant).order_by(
        F("accepted_at").asc(nulls_first=True), F("revoked_at").asc(nulls_first=True), "-id"
    )


def invitation_state(invitation: Invitation, now: datetime) -> str:
    """One of: accepted, revoked, expired, waiting."""
    if invitation.accepted_at:
        return "accepted"
    if invitation.revoked_at:
        return "revoked"
    return "expired" if invitation.expires_at <= now else "waiting"


def waiting_invitations(tenant: Tenant) -> int:
    """How many invitations somebody could still accept."""
    found = Invitation.objects.filter(tenant=tenant, accepted_at__isnull=True, revoked_at__isnull=True)
    return found.filter(expires_at__gt=timezone.now()).count()


def grants_in(tenant: Tenant) -> QuerySet[Grant]:
    """Exceptions: those in force first, the next to end on top; then what has ended, newest first."""
    return (
        Grant.objects.filter(tenant=tenant)
        .select_related("user")
        .order_by(F("ended_at").desc(nulls_first=True), "expires_at")
    )


def open_grants_of(member: Membership) -> QuerySet[Grant]:
    return Grant.objects.filter(
        tenant=member.tenant_id, user=member.user_id, ended_at__isnull=True, expires_at__gt=timezone.now()
    ).order_by("expires_at")


def grantable_things(tenant: Tenant, most: int = 500) -> list[Any]:
    """The rows of the tenant that an exception can be about, by kind and name."""
    found: list[Any] = []
    for label in GRANTABLE:
        model = apps.get_model(label)
        found += model._default_manager.filter(tenant=tenant).order_by("name")[:most]
    return found


@dataclass(frozen=True)
class RightRow:
    """One right and, role by role, whether the role has it."""

    key: str
    title: Any
    held: Sequence[bool]
    is_grantable: bool


def rights_table() -> tuple[tuple[type[Role], ...], list[RightRow]]:
    """Who may do what, from roles.py: the roles in their order, and a row a right."""
    roles = TENANT_ROLES + PLATFORM_ROLES
    grantable = {right for rights in GRANTABLE.values() for right in rights}
    rows = [
        RightRow(key, title, [key in role.permissions for role in roles], key in grantable)
        for key, title in RIGHTS.items()
    ]
    return roles, rows
