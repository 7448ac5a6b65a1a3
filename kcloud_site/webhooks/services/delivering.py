"""Messages are sent, tried again and forgotten.

A worker does it whenever the clock says so; a delivery is claimed by one conditional update, so that two workers do not
send it at the same time. A receiver may get a message twice (a worker died after sending): `webhook-id` stays the same.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from kcloud_site.outbound.addresses import AddressRule
from kcloud_site.outbound.connections import own_networks
from kcloud_site.tenants import encryption
from kcloud_site.webhooks import messages
from kcloud_site.webhooks.adapters import sending
from kcloud_site.webhooks.errors import NotDelivered
from kcloud_site.webhooks.models import Delivery
from kcloud_site.webhooks.services.webhooks import secret_identity

MOST_AT_ONCE = 16
MOST_OF_ONE = 4
# A claimed delivery is tried again by others after that: its worker is gone.
CLAIMED = timedelta(seconds=60)
KEPT = timedelta(days=30)


def address_rule() -> AddressRule:
    """Where messages may go: not to the portal itself, unless an operator allowed it (KCLOUD_WEBHOOKS_INTERNAL)."""
    return AddressRule(allow_internal=settings.WEBHOOKS_INTERNAL, own_networks=own_networks())


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
