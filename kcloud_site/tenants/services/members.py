"""Who belongs to a tenant. Errors: AlreadyMember, LastOwner, TenantClosed."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.tenants.errors import AlreadyMember, LastOwner
from kcloud_site.tenants.models import Membership, Tenant, User
from kcloud_site.tenants.roles import Owner
from kcloud_site.tenants.services.grants import end_grants_of
from kcloud_site.tenants.services.tenants import refuse_closed


@transaction.atomic
def add_member(*, tenant: Tenant, user: User, role: str, by: Any, reason: str = "") -> Membership:
    """Give the person a role in the tenant. Raises AlreadyMember, TenantClosed."""
    refuse_closed(tenant)
    try:
        with transaction.atomic():
            member = Membership.objects.create(
                tenant=tenant, user=user, role=role, added_by=trail.Actor.of(by).name
            )
    except IntegrityError:
        raise AlreadyMember(
            _("%(user)s is a member already. Change the role in the list of members.")
            % {"user": user.display_name},
            field="user",
        ) from None
    _forget_roles(user)
    trail.record(
        by=by,
        action="member.add",
        subject=_subject(member),
        after={"role": role},
        reason=reason,
        tenant=tenant,
    )
    return member


@transaction.atomic
def change_role(*, member: Membership, role: str, by: Any, reason: str = "") -> Membership:
    """Give a member another role. Raises LastOwner."""
    before = _locked(member).role
    if before == role:
        return member
    if before == Owner.key:
        _refuse_last_owner(member)
    member.role = role
    member.save(update_fields=["role"])
    _forget_roles(member.user)
    trail.record(
        by=by,
        action="member.change_role",
        subject=_subject(member),
        before={"role": before},
        after={"role": role},
        reason=reason,
        tenant=member.tenant,
    )
    return member


@transaction.atomic
def remove_member(*, member: Membership, by: Any, reason: str = "") -> None:
    """Take the person out of the tenant; exceptions go with the membership. Raises LastOwner."""
    before = _locked(member).role
    if before == Owner.key:
        _refuse_last_owner(member)
    tenant, subject = member.tenant, _subject(member)
    end_grants_of(tenant=tenant, user=member.user, by=by, reason=reason)
    member.delete()
    _forget_roles(member.user)
    trail.record(
        by=by, action="member.remove", subject=subject, before={"role": before}, reason=reason, tenant=tenant
    )


def _locked(member: Membership) -> Membership:
    """The row as it is now. All changes of one tenant's members take turns on the tenant's row (an update locks it on
    SQLite and PostgreSQL alike), so two owners cannot leave at once."""
    Tenant.objects.filter(pk=member.tenant_id).update(name=member.tenant.name)
    member.refresh_from_db()
    return member


def _refuse_last_owner(member: Membership) -> None:
    others = Membership.objects.filter(tenant_id=member.tenant_id, role=Owner.key).exclude(pk=member.pk)
    if not others.exists():
        raise LastOwner(
            _("%(user)s is the only owner of %(tenant)s. Make somebody else an owner first.")
            % {"user": member.user.display_name, "tenant": member.tenant.name},
            field="role",
        )


def _subject(member: Membership) -> trail.Subject:
    return trail.Subject("tenants.membership", str(member.pk), member.user.get_username(), member.tenant_id)


def _forget_roles(user: User) -> None:
    """What `permissions` remembers on the person is old now."""
    user.__dict__.pop("_roles_by_tenant", None)
