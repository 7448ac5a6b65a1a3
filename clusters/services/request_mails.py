"""Mails about requests: to whoever asked and to the platform's operators, but not to the one who acts.

Sent by a worker after the commit. A mail that cannot be sent is logged; the request does not suffer from it.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from clusters.models import TenantRequest
from clusters.selectors.request_texts import title_of
from kcloud_site.audit import trail
from kcloud_site.operations import queue
from kcloud_site.tenants.adapters import mail
from kcloud_site.tenants.errors import MailNotSent
from kcloud_site.tenants.models import User

JOB = "clusters.jobs.mail_request"
_log = logging.getLogger(__name__)


def tell_after_commit(request: TenantRequest, event: str, by: Any) -> None:
    """Have a worker send the mails about `event` (created, comment, approved, declined, withdrawn, applied, failed)."""
    arguments = {"request": request.pk, "event": event, "actor": trail.Actor.of(by).name}
    transaction.on_commit(lambda: _wake(arguments), robust=True)


def _wake(arguments: dict[str, Any]) -> None:
    try:
        queue.wake_job(f"requests.mail.{arguments['request']}", JOB, arguments)
    except Exception:
        _log.exception("no worker can be woken for the mails about request %s", arguments["request"])


def send(*, request: int, event: str, actor: str) -> int:
    """Send them; answers how many the mail server took."""
    about = TenantRequest.objects.select_related("tenant", "requested_by").get(pk=request)
    return sum(_send_one(about, event, actor, person) for person in _people(about, actor))


def _people(about: TenantRequest, actor: str) -> list[User]:
    """Who reads them: whoever asked (while still active), and the operators, each once."""
    wanted = Q(pk=about.requested_by_id) | Q(is_staff=True)
    found = User.objects.filter(wanted, is_active=True).exclude(email="").exclude(username=actor)
    return list(found.order_by("pk"))


def _send_one(about: TenantRequest, event: str, actor: str, person: User) -> bool:
    """In the language of whoever reads it."""
    with translation.override(person.language or settings.LANGUAGE_CODE):
        subject = f"{about.name} · {about.tenant}: {title_of(about)} · {said(event)}"
        last = about.comments.last() if event == "comment" else None
        text = render_to_string(
            "clusters/email/request.txt",
            {
                "request": about,
                "title": title_of(about),
                "said": said(event),
                "actor": actor,
                "comment": last,
            },
        )
        try:
            mail.send(to=person.email, subject=subject, text=text)
        except MailNotSent as error:
            _log.warning("a mail about %s was not sent: %s", about.name, error)
            return False
    return True


def said(event: str) -> str:
    """The event in words."""
    return {
        "created": _("asked"),
        "comment": _("a comment"),
        "approved": _("approved"),
        "declined": _("declined"),
        "withdrawn": _("withdrawn"),
        "applied": _("applied"),
        "failed": _("could not be applied"),
    }[event]
