"""Making, describing and closing tenants. Errors: NameTaken, TenantClosed."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.tenants.errors import NameTaken, TenantClosed
from kcloud_site.tenants.models import Tenant

# The console's own words where a tenant's name stands in an address.
RESERVED = ("new", "roles")


@transaction.atomic
def create_tenant(
    *, name: str, title: str, description: str = "", contact: str = "", by: Any, reason: str = ""
) -> Tenant:
    """A tenant without members or quota. Raises NameTaken; the caller has validated the fields."""
    if name in RESERVED:
        raise NameTaken(
            _("The console itself uses the word %(name)s. Choose another name.") % {"name": name},
            field="name",
        )
    tenant = Tenant(name=name, title=title, description=description, contact=contact)
    try:
        with transaction.atomic():
            tenant.save(force_insert=True)
    except IntegrityError:
        raise NameTaken(
            _("There is a tenant called %(name)s already. Choose another name.") % {"name": name},
            field="name",
        ) from None
    trail.record(by=by, action="tenant.create", subject=tenant, after=told(tenant), reason=reason)
    return tenant


@transaction.atomic
def describe_tenant(*, tenant: Tenant, title: str, description: str, contact: str, by: Any) -> Tenant:
    """Change what people read about the tenant. Nothing changed: nothing is recorded."""
    refuse_closed(tenant)
    before = told(tenant)
    tenant.title, tenant.description, tenant.contact = title, description, contact
    if told(tenant) != before:
        tenant.save(update_fields=["title", "description", "contact"])
        trail.record(by=by, action="tenant.describe", subject=tenant, before=before, after=told(tenant))
    return tenant


@transaction.atomic
def close_tenant(*, tenant: Tenant, by: Any, reason: str) -> Tenant:
    """Shut members out; what runs goes on until operators remove it. Closing twice changes nothing."""
    closed = Tenant.objects.filter(pk=tenant.pk, closed_at__isnull=True).update(closed_at=timezone.now())
    tenant.refresh_from_db()
    if closed:
        trail.record(by=by, action="tenant.close", subject=tenant, reason=reason)
    return tenant


@transaction.atomic
def reopen_tenant(*, tenant: Tenant, by: Any, reason: str = "") -> Tenant:
    """Let members in again."""
    opened = Tenant.objects.filter(pk=tenant.pk, closed_at__isnull=False).update(closed_at=None)
    tenant.refresh_from_db()
    if opened:
        trail.record(by=by, action="tenant.reopen", subject=tenant, reason=reason)
    return tenant


def refuse_closed(tenant: Tenant) -> None:
    """Raise TenantClosed when it is."""
    if tenant.closed_at is not None:
        raise TenantClosed(
            _("The tenant %(name)s is closed. A platform operator can reopen it.") % {"name": tenant.name}
        )


def told(tenant: Tenant) -> dict[str, str]:
    """What the audit trail says of a tenant."""
    return {
        "name": tenant.name,
        "title": tenant.title,
        "description": tenant.description,
        "contact": tenant.contact,
    }
