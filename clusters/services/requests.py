"""Requests of tenants: asked, talked about, withdrawn, decided. clusters.services.applying does what was approved.

Errors: ValueRefused names the field; RequestDecided when somebody was faster; RequestRefused; TenantClosed.

Nobody decides on a request of their own, unless nobody else could: a portal with one active operator would stand still
(docs/decisions/, "Who may decide on a request"). The views have checked the rights.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.errors import RequestDecided, RequestRefused, ValueRefused
from clusters.models import Cluster, Environment, RequestComment, TenantRequest
from clusters.services import applying, environment_rules, request_mails
from clusters.services.quotas import check_loan
from kcloud_site.audit import trail
from kcloud_site.audit.chain import clean
from kcloud_site.tenants.models import Tenant, User
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services.tenants import refuse_closed

Kind, State = TenantRequest.Kind, TenantRequest.State
# From a request's number to the address of its page.
Address = Callable[[int], str]


def ask_for_environment(
    *,
    tenant: Tenant,
    cluster: Cluster,
    name: str,
    stage: str,
    share: Resources,
    reason: str,
    by: Any,
    address: Address | None = None,
) -> TenantRequest:
    """Ask for an environment. It need not fit into the quota yet; name and share are checked as for making it."""
    environment_rules.check_new(tenant, cluster, name.strip(), stage)
    environment_rules.check_share(share)
    if Environment.objects.filter(tenant=tenant, name=name.strip()).exists():
        raise environment_rules.name_taken(tenant, cluster, name.strip())
    wanted = {"name": name.strip(), "stage": stage, "cluster": cluster.name, "share": share.to_json()}
    return _ask(tenant, Kind.ENVIRONMENT, wanted, reason, by, address)


def ask_for_quota(
    *, tenant: Tenant, amount: Resources, reason: str, by: Any, address: Address | None = None
) -> TenantRequest:
    """Ask for a total larger by `amount`, for good."""
    if not amount:
        raise ValueRefused(
            "cpu", _("Nothing is asked for."), "", _("Say how much more of at least one resource.")
        )
    return _ask(tenant, Kind.QUOTA, {"amount": amount.to_json()}, reason, by, address)


def ask_for_loan(
    *,
    tenant: Tenant,
    amount: Resources,
    until: datetime,
    reason: str,
    by: Any,
    address: Address | None = None,
) -> TenantRequest:
    """Ask to borrow `amount` until a moment."""
    check_loan(amount=amount, until=until, now=timezone.now())
    wanted = {"amount": amount.to_json(), "until": until.isoformat()}
    return _ask(tenant, Kind.LOAN, wanted, reason, by, address)


def comment(*, request: TenantRequest, text: str, by: Any) -> RequestComment:
    """Say something about it, in any state."""
    said = clean(text).strip()
    if not said:
        raise ValueRefused("text", _("The comment is empty."), "", _("Write something."))
    with transaction.atomic():
        made = RequestComment.objects.create(
            request=request,
            author=trail.Actor.of(by).name,
            by_operator=bool(getattr(by, "is_operator", False)),
            text=said,
        )
        trail.record(by=by, action="request.comment", subject=request, after={"text": said})
        request_mails.tell_after_commit(request, "comment", by)
    return made


def withdraw(*, request: TenantRequest, by: Any, reason: str = "") -> TenantRequest:
    """Take it back before it was decided. Raises RequestDecided."""
    return _decide(request, State.WITHDRAWN, by, reason)


def decline(*, request: TenantRequest, by: Any, reason: str) -> TenantRequest:
    """Say no, and why. Raises RequestDecided, RequestRefused, ValueRefused without a reason."""
    if not reason.strip():
        raise ValueRefused(
            "reason", _("A request is declined with a reason."), "", _("Say why: the requester reads it.")
        )
    refuse_own(request, by)
    return _decide(request, State.DECLINED, by, reason)


def approve(*, request: TenantRequest, by: Any, reason: str = "") -> TenantRequest:
    """Say yes, and do it at once. When doing it fails the request says why (FAILED) and can be applied again.

    Raises RequestDecided, RequestRefused."""
    refuse_own(request, by)
    _decide(request, State.APPROVED, by, reason)
    return applying.apply(request=request, by=by)


def refuse_own(request: TenantRequest, by: Any) -> None:
    """Raise RequestRefused for a request of one's own, unless nobody else could decide on it."""
    if by is None or request.requested_by_id != getattr(by, "pk", None):
        return
    if User.objects.filter(is_staff=True, is_active=True).exclude(pk=by.pk).exists():
        raise RequestRefused(
            _("You asked for this yourself."),
            _("Nobody decides on a request of their own."),
            _("Ask another platform operator to decide."),
        )


def _ask(
    tenant: Tenant, kind: str, wanted: dict[str, Any], reason: str, by: Any, address: Address | None
) -> TenantRequest:
    if not reason.strip():
        raise ValueRefused("reason", _("A request needs a reason."), "", _("Say what it is for."))
    with transaction.atomic():
        refuse_closed(tenant)
        asked = TenantRequest.objects.create(
            tenant=tenant,
            kind=kind,
            wanted=wanted,
            reason=clean(reason).strip(),
            requested_by=None if isinstance(by, trail.Actor) else by,
            requested_by_name=trail.Actor.of(by).name,
        )
        if address is not None:
            asked.link = address(asked.pk)[:300]
            asked.save(update_fields=["link"])
        trail.record(
            by=by, action="request.create", subject=asked, after={"kind": kind, **wanted}, reason=asked.reason
        )
        request_mails.tell_after_commit(asked, "created", by)
    return asked


def _decide(request: TenantRequest, state: str, by: Any, reason: str) -> TenantRequest:
    """One conditional update: of two who decide at once one wins, the other is told."""
    said = clean(reason).strip()
    with transaction.atomic():
        won = TenantRequest.objects.filter(pk=request.pk, state=State.OPEN).update(
            state=state,
            decided_by_name=trail.Actor.of(by).name,
            decision_reason=said,
            decided_at=timezone.now(),
            changed_at=timezone.now(),
        )
        request.refresh_from_db()
        if not won:
            raise _too_late(request)
        action = {State.APPROVED: "approve", State.DECLINED: "decline", State.WITHDRAWN: "withdraw"}[
            State(state)
        ]
        own = {"own_request": True} if request.requested_by_id == getattr(by, "pk", None) else {}
        trail.record(
            by=by,
            action=f"request.{action}",
            subject=request,
            before={"state": State.OPEN},
            after={"state": state, **own},
            reason=said,
        )
        # What was approved is told of once it is done, or could not be.
        if state != State.APPROVED:
            request_mails.tell_after_commit(request, str(state), by)
    return request


def _too_late(request: TenantRequest) -> RequestDecided:
    return RequestDecided(
        _("The request is not open any more."),
        _("%(who)s has decided: %(state)s.")
        % {"who": request.decided_by_name, "state": request.get_state_display()},
        _("Read the decision, and comment on it if it is wrong."),
    )
