"""Webhooks made, changed, tried and removed; their messages sent again. Errors: WebhookRefused names the field."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kcloud_site.audit import trail
from kcloud_site.tenants import encryption
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.services.tenants import refuse_closed
from kcloud_site.webhooks import messages
from kcloud_site.webhooks.errors import WebhookRefused
from kcloud_site.webhooks.models import Delivery, Webhook
from kcloud_site.webhooks.services import collecting


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
def send_test(*, webhook: Webhook, by: Any) -> Delivery:
    """A message that says nothing but that it was asked for, to this webhook only, whatever it wants to be told."""
    if not webhook.enabled:
        raise WebhookRefused(_("The webhook is paused: nothing is sent. Let it go on first."))
    event = trail.record(by=by, action="webhook.test", subject=webhook)
    # The name of what it tells of is the one that collecting gives it: it is not told a second time.
    return Delivery.objects.create(
        webhook=webhook,
        source=collecting.source_of(event),
        event=event.action,
        payload=collecting.payload_of(event),
        next_at=timezone.now(),
    )


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
