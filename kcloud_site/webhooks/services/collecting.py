"""What happened becomes messages: new audit events and ended operations, one delivery for each webhook that is told.

What a message says is chosen here once (`payload_of`); what it is about is asked of the apps (places.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, QuerySet
from django.urls import reverse

from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import ACTIVE, Operation
from kcloud_site.tenants.models import Tenant
from kcloud_site.webhooks import messages
from kcloud_site.webhooks.models import Delivery, Reading, Webhook
from kcloud_site.webhooks.places import NOWHERE, Place, Thing, places_of

FINISHED = "operation.finished"
OVERLAP = timedelta(minutes=5)
_READING = 1
# (type, id, tenant's id) of a thing -> {"tenant", "application", "environment", "link"}
Abouts = Mapping[tuple[str, str, int | None], dict[str, Any]]


def collect(*, now: datetime) -> int:
    """Write a delivery for whatever happened since the last time; answers how many. One at a time does it."""
    hooks = list(Webhook.objects.filter(enabled=True))
    with transaction.atomic():
        reading = _reading(now)
        events = list(AuditEvent.objects.filter(pk__gt=reading.event_id).order_by("id")[:500])
        ended = ended_since(reading.finished_at - OVERLAP)
        drafts = [*_of_events(hooks, events, now), *_of_operations(hooks, ended if hooks else (), now)]
        before = Delivery.objects.aggregate(top=Max("id"))["top"] or 0
        Delivery.objects.bulk_create(drafts, ignore_conflicts=True)
        read_to = events[-1].pk if events else reading.event_id
        Reading.objects.filter(pk=_READING).update(event_id=read_to, finished_at=now)
    return Delivery.objects.filter(pk__gt=before).count()


def ended_since(moment: datetime) -> QuerySet[Operation]:
    """In the order in which they ended, which is also the order of the index that finds them."""
    return Operation.objects.filter(finished_at__gt=moment).exclude(state__in=ACTIVE).order_by("finished_at")


def _reading(now: datetime) -> Reading:
    """The row, locked until commit. The first time: from now on."""
    if not Reading.objects.filter(pk=_READING).update(event_id=F("event_id")):
        newest = AuditEvent.objects.aggregate(top=Max("id"))["top"] or 0
        Reading.objects.bulk_create(
            [Reading(pk=_READING, event_id=newest, finished_at=now)], ignore_conflicts=True
        )
        Reading.objects.filter(pk=_READING).update(event_id=F("event_id"))
    return Reading.objects.get(pk=_READING)


def _of_events(hooks: list[Webhook], events: list[AuditEvent], now: datetime) -> list[Delivery]:
    wanted = [
        (hook, event)
        for event in events
        for hook in hooks
        if _is_told(hook, event.tenant_id, event.action, event.at)
    ]
    abouts = _abouts([event for _hook, event in wanted])
    return [
        _draft(hook, source_of(event), event.action, _payload_of_event(event, abouts), now)
        for hook, event in wanted
    ]


def _of_operations(hooks: list[Webhook], ended: Iterable[Operation], now: datetime) -> list[Delivery]:
    wanted = [
        (hook, each)
        for each in ended
        for hook in hooks
        if _is_told(hook, each.tenant_id, FINISHED, each.finished_at or now)
    ]
    abouts = _abouts([each for _hook, each in wanted])
    return [
        _draft(
            hook, f"operation:{each.pk}:{each.fencing}", FINISHED, _payload_of_operation(each, abouts), now
        )
        for hook, each in wanted
    ]


def _is_told(hook: Webhook, tenant_id: int | None, action: str, at: datetime) -> bool:
    return (
        hook.tenant_id in (None, tenant_id) and at >= hook.created_at and messages.wants(hook.events, action)
    )


def _draft(hook: Webhook, source: str, event: str, payload: dict[str, Any], now: datetime) -> Delivery:
    return Delivery(webhook=hook, source=source, event=event, payload=payload, next_at=now)


def source_of(event: AuditEvent) -> str:
    """What a message about it is known by: the same event is told once."""
    return f"audit:{event.pk}"


def payload_of(event: AuditEvent) -> dict[str, Any]:
    """What is sent of one audit event."""
    return _payload_of_event(event, _abouts([event]))


def _payload_of_event(event: AuditEvent, abouts: Abouts) -> dict[str, Any]:
    data = {
        **abouts[_thing_of(event)],
        "event_id": event.pk,
        "actor_kind": event.actor_kind,
        "actor": event.actor,
        "object": {"type": event.object_type, "id": event.object_id, "name": event.object_name},
        "before": messages.outgoing(event.before),
        "after": messages.outgoing(event.after),
        "reason": event.reason,
        "operation_id": event.operation_id,
    }
    return {"type": event.action, "timestamp": event.at.isoformat(), "data": data}


def _payload_of_operation(operation: Operation, abouts: Abouts) -> dict[str, Any]:
    about = {
        "type": operation.subject_type,
        "id": operation.subject_id,
        "name": operation.subject_name,
    }
    data = {
        **abouts[_thing_of(operation)],
        "link": settings.PUBLIC_URL + reverse("operations:detail", args=[operation.pk]),
        "operation_id": operation.pk,
        "kind": operation.kind,
        "state": operation.state,
        "actor": operation.requested_by_name,
        "object": about,
        "failure": operation.failure or None,
    }
    at = operation.finished_at.isoformat() if operation.finished_at else None
    return {"type": FINISHED, "timestamp": at, "data": data}


# ---- what it is about


def _abouts(happened: Sequence[AuditEvent | Operation]) -> Abouts:
    """Tenant, application, environment and link of each, asked for all at once."""
    tenants = dict(
        Tenant.objects.filter(pk__in={each.tenant_id for each in happened}).values_list("pk", "name")
    )
    things = {
        _thing_of(each): Thing(*_thing_of(each)[:2], _name_of(each), tenants.get(each.tenant_id or 0, ""))
        for each in happened
    }
    places = places_of(things.values())
    return {key: _about(thing, places.get(key[:2], NOWHERE)) for key, thing in things.items()}


def _about(thing: Thing, place: Place) -> dict[str, Any]:
    path = place.path
    return {
        "tenant": thing.tenant or None,
        "application": place.application or None,
        "environment": place.environment or None,
        "link": settings.PUBLIC_URL + path if path else None,
    }


def _thing_of(each: AuditEvent | Operation) -> tuple[str, str, int | None]:
    if isinstance(each, Operation):
        return each.subject_type, each.subject_id, each.tenant_id
    return each.object_type, each.object_id, each.tenant_id


def _name_of(each: AuditEvent | Operation) -> str:
    return each.subject_name if isinstance(each, Operation) else each.object_name
