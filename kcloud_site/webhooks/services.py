"""Webhooks: made, changed, removed; messages written down, sent and sent again. Errors: WebhookRefused.

`collect` turns new audit events and ended operations into deliveries; `deliver` sends what is due. Both are run by a
worker whenever the clock says so; a delivery is claimed by one conditional update, so that two workers do not send it
at the same time. A receiver may get a message twice (a worker died after sending): `webhook-id` stays the same.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import ACTIVE, Operation
from kcloud_site.outbound.addresses import AddressRule
from kcloud_site.outbound.connections import own_networks
from kcloud_site.tenants import encryption
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.services.tenants import refuse_closed
from kcloud_site.webhooks import messages
from kcloud_site.webhooks.adapters import sending
from kcloud_site.webhooks.errors import NotDelivered, WebhookRefused
from kcloud_site.webhooks.models import Delivery, Reading, Webhook

FINISHED = "operation.finished"
MOST_AT_ONCE = 16
MOST_OF_ONE = 4
# A claimed delivery is tried again by others after that: its worker is gone.
CLAIMED = timedelta(seconds=60)
OVERLAP = timedelta(minutes=5)
KEPT = timedelta(days=30)
_READING = 1


def create_webhook(
    *, tenant: Tenant | None, name: str, url: str, events: Sequence[str], by: Any
) -> tuple[Webhook, str]:
    """A webhook and its secret, which is shown once."""
    if tenant is not None:
        refuse_closed(tenant)
    _check(name, url, events)
    hook = Webhook(tenant=tenant, name=name, url=url, events=list(events), sealed_secret=b"")
    hook.created_by = trail.Actor.of(by).name
    with transaction.atomic():
        try:
            with transaction.atomic():
                hook.save(force_insert=True)
        except IntegrityError:
            raise WebhookRefused(
                _("There is a webhook called %(name)s already. Choose another name.") % {"name": name},
                field="name",
            ) from None
        secret = _new_secret(hook)
        trail.record(by=by, action="webhook.create", subject=hook, after=told(hook))
    return hook, secret


@transaction.atomic
def revise_webhook(*, webhook: Webhook, url: str, events: Sequence[str], enabled: bool, by: Any) -> Webhook:
    """Change where, what and whether it is told."""
    _check(webhook.name, url, events)
    before = told(webhook)
    webhook.url, webhook.events, webhook.enabled = url, list(events), enabled
    if told(webhook) != before:
        webhook.save(update_fields=["url", "events", "enabled"])
        trail.record(by=by, action="webhook.revise", subject=webhook, before=before, after=told(webhook))
    return webhook


@transaction.atomic
def replace_secret(*, webhook: Webhook, by: Any) -> str:
    """A new secret, used from the next message on; shown once."""
    secret = _new_secret(webhook)
    trail.record(by=by, action="webhook.replace_secret", subject=webhook)
    return secret


@transaction.atomic
def delete_webhook(*, webhook: Webhook, by: Any) -> None:
    """Forget it with its deliveries."""
    trail.record(by=by, action="webhook.delete", subject=webhook, before=told(webhook))
    webhook.delete()


@transaction.atomic
def redeliver(*, delivery: Delivery, by: Any) -> Delivery:
    """Send a message again, from the first attempt on."""
    Delivery.objects.filter(pk=delivery.pk).update(
        state=Delivery.State.PENDING, attempts=0, next_at=timezone.now(), finished_at=None
    )
    after = {"event": delivery.event, "source": delivery.source}
    trail.record(by=by, action="webhook.redeliver", subject=delivery.webhook, after=after)
    delivery.refresh_from_db()
    return delivery


def told(webhook: Webhook) -> dict[str, Any]:
    """What the audit trail says of a webhook."""
    return {
        "name": webhook.name,
        "url": webhook.url,
        "events": list(webhook.events),
        "enabled": webhook.enabled,
    }


def secret_identity(webhook: Webhook) -> str:
    """What a webhook's secret is sealed for."""
    return f"webhooks.Webhook:{webhook.pk}:secret"


def address_rule() -> AddressRule:
    """Where messages may go: not to the portal itself, unless an operator allowed it (KCLOUD_WEBHOOKS_INTERNAL)."""
    return AddressRule(allow_internal=settings.WEBHOOKS_INTERNAL, own_networks=own_networks())


def _new_secret(webhook: Webhook) -> str:
    secret = messages.PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()
    webhook.sealed_secret = encryption.seal(secret.encode(), identity=secret_identity(webhook))
    webhook.save(update_fields=["sealed_secret"])
    return secret


def _check(name: str, url: str, events: Sequence[str]) -> None:
    if not name.strip() or len(name) > 60:
        raise WebhookRefused(_("Give the webhook a name of 1 to 60 characters."), field="name")
    if not _is_address(url):
        raise WebhookRefused(
            _("Give an address like https://ci.example.com/kcloud, without user name and fragment."),
            field="url",
        )
    if (
        not events
        or len(events) > 50
        or not all(isinstance(each, str) and len(each) <= 60 for each in events)
    ):
        raise WebhookRefused(
            _("Name 1 to 50 beginnings of events, for example “environment.” or “operation.finished”."),
            field="events",
        )


def _is_address(url: str) -> bool:
    schemes = ("https", "http") if settings.WEBHOOKS_INTERNAL else ("https",)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url and len(url) <= 500
    bare = not parts.username and not parts.password and not parts.fragment and port != 0
    return plain and bare and parts.scheme in schemes and bool(parts.hostname)


# ---- what happened becomes deliveries


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


def _of_events(hooks: list[Webhook], events: Iterable[AuditEvent], now: datetime) -> list[Delivery]:
    return [
        _draft(hook, f"audit:{event.pk}", event.action, _event_payload(event), now)
        for event in events
        for hook in hooks
        if _is_told(hook, event.tenant_id, event.action, event.at)
    ]


def _of_operations(hooks: list[Webhook], ended: Iterable[Operation], now: datetime) -> list[Delivery]:
    return [
        _draft(hook, f"operation:{each.pk}:{each.fencing}", FINISHED, _operation_payload(each), now)
        for each in ended
        for hook in hooks
        if _is_told(hook, each.tenant_id, FINISHED, each.finished_at or now)
    ]


def _is_told(hook: Webhook, tenant_id: int | None, action: str, at: datetime) -> bool:
    return (
        hook.tenant_id in (None, tenant_id) and at >= hook.created_at and messages.wants(hook.events, action)
    )


def _draft(hook: Webhook, source: str, event: str, payload: dict[str, Any], now: datetime) -> Delivery:
    return Delivery(webhook=hook, source=source, event=event, payload=payload, next_at=now)


def _event_payload(event: AuditEvent) -> dict[str, Any]:
    data = {
        "event_id": event.pk,
        "actor_kind": event.actor_kind,
        "actor": event.actor,
        "object": {"type": event.object_type, "id": event.object_id, "name": event.object_name},
        "before": event.before,
        "after": event.after,
        "reason": event.reason,
        "operation_id": event.operation_id,
    }
    return {"type": event.action, "timestamp": event.at.isoformat(), "data": data}


def _operation_payload(operation: Operation) -> dict[str, Any]:
    about = {
        "type": operation.subject_type,
        "id": operation.subject_id,
        "name": operation.subject_name,
    }
    data = {
        "operation_id": operation.pk,
        "kind": operation.kind,
        "state": operation.state,
        "object": about,
        "failure": operation.failure or None,
    }
    at = operation.finished_at.isoformat() if operation.finished_at else None
    return {"type": FINISHED, "timestamp": at, "data": data}


# ---- deliveries are sent


def deliver(*, now: datetime) -> int:
    """Send what is due, several at once, few to the same receiver; answers how many attempts were made."""
    claimed = _claim(now)
    if not claimed:
        return 0
    rule = address_rule()
    with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
        # Secrets are opened here: threads only talk to receivers.
        futures = [
            (row, pool.submit(sending.post, row.webhook.url, *_signed(row, now), rule)) for row in claimed
        ]
        for row, future in futures:
            try:
                answer = future.result()
            except NotDelivered as error:
                _record(row, None, None, str(error))
            else:
                _record(row, answer.status, answer.milliseconds, messages.shown(answer.body))
    return len(claimed)


def _claim(now: datetime) -> list[Delivery]:
    due = Delivery.objects.filter(state=Delivery.State.PENDING, next_at__lte=now, webhook__enabled=True)
    found: list[Delivery] = []
    of_one: dict[int, int] = {}
    for row in due.select_related("webhook").order_by("next_at", "id")[: MOST_AT_ONCE * 8]:
        if len(found) == MOST_AT_ONCE or of_one.get(row.webhook_id, 0) == MOST_OF_ONE:
            continue
        mine = Delivery.objects.filter(pk=row.pk, next_at=row.next_at, state=Delivery.State.PENDING)
        if mine.update(next_at=now + CLAIMED):
            of_one[row.webhook_id] = of_one.get(row.webhook_id, 0) + 1
            found.append(row)
    return found


def _signed(row: Delivery, now: datetime) -> tuple[bytes, dict[str, str]]:
    secret = encryption.unseal(
        bytes(row.webhook.sealed_secret), identity=secret_identity(row.webhook)
    ).decode()
    body, message_id, timestamp = messages.encode(row.payload), f"msg_{row.pk}", int(now.timestamp())
    return body, {
        "Content-Type": "application/json",
        "User-Agent": "KCloud-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": messages.sign(secret, message_id, timestamp, body),
    }


def _record(row: Delivery, status: int | None, milliseconds: int | None, answer: str) -> None:
    now, attempts = timezone.now(), row.attempts + 1
    well = status is not None and 200 <= status < 300
    again = None if well else messages.next_attempt(attempts, now)
    state = Delivery.State.DELIVERED if well else Delivery.State.PENDING if again else Delivery.State.FAILED
    Delivery.objects.filter(pk=row.pk).update(
        state=state,
        attempts=attempts,
        next_at=again,
        status=status,
        milliseconds=milliseconds,
        answer=answer[: messages.LONGEST_ANSWER],
        finished_at=None if again else now,
    )


def prune(*, now: datetime) -> int:
    """Forget deliveries that ended long ago."""
    return int(Delivery.objects.filter(finished_at__lt=now - KEPT).delete()[0])
