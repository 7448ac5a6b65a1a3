"""Exceptions: one person, one right, one object, until a date. Errors: GrantRefused, TenantClosed.

A Grant row tells the story, a guardian permission is the right itself; both are made and ended together. A right is
gone at its date whether the clock came by or not (permissions looks at the date); the clock clears up and records it.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants import permissions
from kcloud_site.tenants.errors import GrantRefused
from kcloud_site.tenants.models import Grant, Membership, Tenant, User
from kcloud_site.tenants.roles import GRANTABLE
from kcloud_site.tenants.services.tenants import refuse_closed

_log = logging.getLogger(__name__)

# Who ends exceptions whose time is up, as the audit trail names it.
CLOCK = trail.Actor(AuditEvent.ActorKind.RULE, "exception-expiry")


@transaction.atomic
def grant_right(
    *, tenant: Tenant, user: User, right: str, thing: models.Model, expires_at: datetime, reason: str, by: Any
) -> Grant:
    """Let a member use one right on one object of the tenant until a date. Raises GrantRefused, TenantClosed."""
    refuse_closed(tenant)
    label, now = thing._meta.label_lower, timezone.now()
    _refuse_unfit(tenant, user, right, thing, expires_at, now)
    for old in Grant.objects.filter(
        user=user, permission=right, object_type=label, object_id=str(thing.pk), expires_at__lte=now
    ).filter(ended_at__isnull=True):
        end_grant(grant=old, by=CLOCK)
    try:
        with transaction.atomic():
            grant = Grant.objects.create(
                tenant=tenant,
                user=user,
                permission=right,
                object_type=label,
                object_id=str(thing.pk),
                object_name=trail.Subject.of(thing).name,
                reason=reason,
                granted_by=trail.Actor.of(by).name,
                expires_at=expires_at,
            )
    except IntegrityError:
        raise GrantRefused(
            _("%(user)s has this exception already. Take the old one back first.")
            % {"user": user.display_name},
            field="right",
        ) from None
    permissions.give(user, right, thing)
    trail.record(by=by, action="grant.create", subject=_subject(grant), after=_told(grant), reason=reason)
    return grant


@transaction.atomic
def end_grant(*, grant: Grant, by: Any, reason: str = "") -> Grant:
    """Take an exception back. One that has ended already stays as it is."""
    fields = {"ended_at": timezone.now(), "ended_by": "" if by is CLOCK else trail.Actor.of(by).name}
    if Grant.objects.filter(pk=grant.pk, ended_at__isnull=True).update(**fields):
        _take_right_back(grant)
        trail.record(by=by, action="grant.end", subject=_subject(grant), before=_told(grant), reason=reason)
    grant.refresh_from_db()
    return grant


def end_grants_of(*, tenant: Tenant, user: User, by: Any, reason: str = "") -> None:
    """All open exceptions of a person in a tenant: they go with the membership."""
    for grant in Grant.objects.filter(tenant=tenant, user=user, ended_at__isnull=True):
        end_grant(grant=grant, by=by, reason=reason)


def end_due_grants(*, now: datetime) -> int:
    """What the clock does each minute: end the exceptions whose time is up; answers how many.

    One that cannot be ended is logged and tried again; the others are not kept waiting.
    """
    ended = 0
    for grant in Grant.objects.filter(ended_at__isnull=True, expires_at__lte=now).order_by("expires_at"):
        try:
            end_grant(grant=grant, by=CLOCK)
            ended += 1
        except Exception:
            _log.exception("exception %s cannot be ended", grant.pk)
    return ended


def _refuse_unfit(
    tenant: Tenant, user: User, right: str, thing: models.Model, expires_at: datetime, now: datetime
) -> None:
    if getattr(thing, "tenant_id", None) != tenant.pk:
        raise GrantRefused(_("This is not an object of the tenant. Choose one of the list."), field="thing")
    if right not in GRANTABLE.get(thing._meta.label_lower, ()):
        raise GrantRefused(
            _("This right cannot be given on this object. Choose one that fits it."), field="right"
        )
    if not Membership.objects.filter(tenant=tenant, user=user).exists():
        raise GrantRefused(
            _("%(user)s is no member of the tenant. Invite the person first.") % {"user": user.display_name},
            field="user",
        )
    if expires_at <= now:
        raise GrantRefused(_("The end lies in the past. Choose a later time."), field="expires_at")


def _take_right_back(grant: Grant) -> None:
    try:
        model = apps.get_model(grant.object_type)
    except LookupError:
        return  # no such kind of object any more: there is nothing the right could be used on
    # The object itself may be gone; its key is all that is needed.
    permissions.take_back(grant.user, grant.permission, model(pk=grant.object_id))


def _told(grant: Grant) -> dict[str, str]:
    return {
        "person": grant.user.get_username(),
        "right": grant.permission,
        "object": f"{grant.object_type} {grant.object_name}",
        "until": grant.expires_at.isoformat(timespec="seconds"),
    }


def _subject(grant: Grant) -> trail.Subject:
    name = f"{grant.permission} {grant.object_name} {grant.user.get_username()}"[:200]
    return trail.Subject("tenants.grant", str(grant.pk), name, grant.tenant_id)
