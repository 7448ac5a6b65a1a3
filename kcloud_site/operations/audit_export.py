"""The trail as JSON lines: one event a line, oldest first, with its seals, so that anybody can check the chain again.

That somebody took it away is an event itself, in each tenant whose events were in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from kcloud_site.audit import trail
from kcloud_site.audit.chain import FIELDS, plain
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.audit_pages import Wanted, matching
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant


def export_events(*, wanted: Wanted, by: Any) -> Iterator[str]:
    """The lines, read as they are sent. Only what `by` may read; whoever may read nothing gets PermissionDenied."""
    permissions.check_anywhere(by, "audit.view")
    mine = permissions.visible(AuditEvent.objects.all(), by, "audit.view")
    newest = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    _record(wanted, newest, by)
    return _lines(matching(mine, wanted).filter(pk__lte=newest))


def _record(wanted: Wanted, newest: int, by: Any) -> None:
    told = {"events up to": newest, **wanted.told()}
    subject = trail.Subject("audit.auditevent", str(newest), "audit")
    with transaction.atomic():
        for tenant in _tenants(wanted, by):
            trail.record(by=by, action="audit.export", subject=subject, after=told, tenant=tenant)


def _tenants(wanted: Wanted, by: Any) -> list[Tenant | None]:
    """Whose events are taken away: the chosen tenant's, all the reader's own, or the whole platform's (None)."""
    mine = permissions.tenants_of(by)
    if wanted.tenant_id:
        return list(mine.filter(pk=wanted.tenant_id))
    if permissions.platform_role(by) is not None:
        return [None]
    return [tenant for tenant in mine if permissions.may(by, "audit.view", tenant)]


def _lines(rows: QuerySet[AuditEvent]) -> Iterator[str]:
    for event in rows.order_by("at", "id").iterator(chunk_size=1000):
        content = {"id": event.pk, **{name: getattr(event, name) for name in FIELDS}, "hash": event.hash}
        yield json.dumps(plain(content), ensure_ascii=False) + "\n"
