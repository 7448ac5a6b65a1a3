"""What addresses of tenants, their people and their trail can be about; all of the tenant under test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from kcloud_site.audit import trail
from kcloud_site.tenants.models import Grant
from kcloud_site.tenants.services import members


def make_people(tenant: Any, operator: Any) -> dict[str, dict[str, Any]]:
    """Parameters of each thing's addresses, by the name that expectations call it by."""
    person = get_user_model().objects.create_user("of-the-tenant")
    member = members.add_member(tenant=tenant, user=person, role="viewer", by=operator)
    subject = trail.Subject("clusters.environment", "1", "retail-dev", tenant.pk)
    event = trail.record(by=operator, action="environment.freeze", subject=subject)
    grant = Grant.objects.create(
        tenant=tenant,
        user=person,
        permission="environment.freeze",
        object_type="clusters.environment",
        object_id="1",
        object_name="retail-dev",
        reason="release",
        granted_by="operator",
        expires_at=timezone.now() + timedelta(days=1),
    )
    return {
        "tenant": {"name": tenant.name},
        "membership": {"tenant": tenant.name, "pk": member.pk},
        "grant": {"tenant": tenant.name, "pk": grant.pk},
        "audit_event": {"pk": event.pk},
    }
