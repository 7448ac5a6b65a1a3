"""A request in words: its title, and what happens next."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from clusters.models import TenantRequest
from clusters.selectors.resource_texts import amounts
from kcloud_site.tenants.resources import Resources

Kind, State = TenantRequest.Kind, TenantRequest.State

# As the status vocabulary calls a request's state.
STATUS: dict[str, str] = {
    State.OPEN: "approval",
    State.APPROVED: "running",
    State.DECLINED: "stopped",
    State.WITHDRAWN: "cancelled",
    State.APPLIED: "succeeded",
    State.FAILED: "failed",
}


def title_of(request: TenantRequest) -> str:
    """What is asked for, in one line."""
    if request.kind == Kind.ENVIRONMENT:
        return _("Environment %(name)s on %(cluster)s") % {
            "name": request.wanted["name"],
            "cluster": request.wanted["cluster"],
        }
    asked = amounts(amount_of(request))
    if request.kind == Kind.QUOTA:
        return _("More quota: %(amounts)s") % {"amounts": asked}
    return _("Borrow until %(date)s: %(amounts)s") % {"date": day(until_of(request)), "amounts": asked}


def amount_of(request: TenantRequest) -> Resources:
    """The share of the environment, or the quota asked for."""
    return Resources.from_json(request.wanted.get("share") or request.wanted["amount"])


def until_of(request: TenantRequest) -> datetime | None:
    """When borrowed quota returns; None for other kinds."""
    told = request.wanted.get("until")
    return datetime.fromisoformat(told) if told else None


def day(moment: datetime | None) -> str:
    """A date in the reader's zone."""
    return date_format(timezone.localtime(moment), pgettext("date format", "j M Y")) if moment else ""


def next_of(request: TenantRequest) -> str:
    """What happens next, or what to do now."""
    return {
        State.OPEN: _("A platform operator approves or declines it. Comments are read by both sides."),
        State.APPROVED: _("The portal is doing it; this page follows."),
        State.DECLINED: _("Comment if something was misunderstood, or ask anew."),
        State.WITHDRAWN: _("Ask anew if it is wanted after all."),
        State.APPLIED: _("Nothing is left to do."),
        State.FAILED: _("A platform operator can apply it again once the cause is gone."),
    }[State(request.state)]
