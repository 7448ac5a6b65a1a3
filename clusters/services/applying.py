"""Doing what was approved: a larger total, a loan, an environment. Errors: RequestRefused.

A request is applied once: the conditional update that claims it and what is done are one transaction. What cannot be
done leaves nothing half-made; the request says why and can be applied again. An environment takes an operation, which
the request follows to its end (`follow`, called in the transaction that ends it). `pick_up` finds what a killed process
left between approving and applying.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.errors import ClusterError, RequestImpossible, RequestRefused
from clusters.models import Cluster, Environment, TenantRequest
from clusters.services import environments, quotas, request_mails
from kcloud_site.audit import trail
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import OperationNotResumable, SubjectBusy
from kcloud_site.operations.models import ACTIVE, Operation
from kcloud_site.operations.models import State as OperationState
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.resources import Resources

FORGOTTEN_AFTER = timedelta(minutes=1)
Kind, State = TenantRequest.Kind, TenantRequest.State
_log = logging.getLogger(__name__)


def apply(*, request: TenantRequest, by: Any) -> TenantRequest:
    """Do what was approved, or do it again after it failed. Raises RequestRefused when it is in no state for that."""
    try:
        with transaction.atomic():
            _claim(request)
            _do(request, by)
    except (ClusterError, TenantError, SubjectBusy, OperationNotResumable) as error:
        if isinstance(error, RequestRefused):
            raise
        _fail(request, _told(error))
    request.refresh_from_db()
    return request


def follow(operation: Operation) -> None:
    """The operation that makes an environment has ended: the request that asked for it says so."""
    waiting = TenantRequest.objects.filter(operation=operation, state__in=(State.APPROVED, State.FAILED))
    for request in waiting.select_related("tenant"):
        if operation.state == OperationState.SUCCEEDED:
            _succeed(request, by=None)
        elif operation.state == OperationState.CANCELLED:
            remedy = _("Apply the request again to make it anew.")
            _fail(request, {"what": _("Making the environment was cancelled."), "why": "", "remedy": remedy})
        else:
            _fail(request, {key: str(operation.failure.get(key, "")) for key in ("what", "why", "remedy")})


def pick_up(now: datetime) -> int:
    """By the clock: apply what was approved and forgotten; answers how many."""
    forgotten = TenantRequest.objects.filter(
        state=State.APPROVED, operation__isnull=True, decided_at__lt=now - FORGOTTEN_AFTER
    )
    found = 0
    for request in forgotten.select_related("tenant"):
        try:
            apply(request=request, by=trail.Actor.of(None))
            found += 1
        except RequestRefused:
            _log.info("%s was applied by somebody else meanwhile", request.name)
    return found


def _claim(request: TenantRequest) -> None:
    """The row, held until the commit: whoever comes second finds it applied."""
    ready = Q(state=State.FAILED) | Q(state=State.APPROVED, operation__isnull=True)
    if not TenantRequest.objects.filter(ready, pk=request.pk).update(
        state=State.APPROVED, failure={}, changed_at=timezone.now()
    ):
        request.refresh_from_db()
        raise RequestRefused(
            _("The request cannot be applied now."),
            _("It is: %(state)s.") % {"state": request.get_state_display()},
            _("Only what was approved can be applied, and once."),
        )
    request.refresh_from_db()


def _do(request: TenantRequest, by: Any) -> None:
    """`by` answers for it in the audit trail, with the request's reason."""
    if request.kind == Kind.ENVIRONMENT:
        request.operation = _make_environment(request, by)
        request.save(update_fields=["operation"])
        _record(request, by, {"operation": f"op-{request.operation.pk}"})
        request_mails.tell_after_commit(request, "approved", by)
        return
    amount = Resources.from_json(request.wanted["amount"])
    if request.kind == Kind.QUOTA:
        quotas.raise_total(tenant=request.tenant, amount=amount, by=by, reason=_reason(request))
    else:
        until = datetime.fromisoformat(request.wanted["until"])
        quotas.lend(tenant=request.tenant, amount=amount, until=until, by=by, reason=_reason(request)[:500])
    _succeed(request, by)


def _make_environment(request: TenantRequest, by: Any) -> Operation:
    """A creation that failed is resumed; otherwise the environment is made, also anew."""
    last, wanted = request.operation, request.wanted
    if last is not None and last.state in ACTIVE:
        return last
    if last is not None and Environment.objects.filter(pk=last.subject_id, state="failed").exists():
        return operations.resume_operation(operation=last, by=by, reason=_reason(request))
    cluster = Cluster.objects.filter(name=wanted["cluster"]).first()
    if cluster is None:
        raise RequestImpossible(
            _("There is no cluster %(name)s any more.") % {"name": wanted["cluster"]},
            "",
            _("Ask for the environment on another cluster."),
        )
    made = environments.create_environment(
        tenant=request.tenant,
        cluster=cluster,
        name=wanted["name"],
        stage=wanted["stage"],
        share=Resources.from_json(wanted["share"]),
        by=by,
        reason=_reason(request),
    )
    return Operation.objects.filter(subject_type="clusters.environment", subject_id=str(made.pk)).latest("id")


def _reason(request: TenantRequest) -> str:
    return f"{request.name}: {request.reason}"


def _succeed(request: TenantRequest, by: Any) -> None:
    TenantRequest.objects.filter(pk=request.pk).update(
        state=State.APPLIED, failure={}, changed_at=timezone.now()
    )
    request.refresh_from_db()
    _record(request, by, {"state": State.APPLIED})
    request_mails.tell_after_commit(request, "applied", by)


def _fail(request: TenantRequest, failure: dict[str, str]) -> None:
    with transaction.atomic():
        TenantRequest.objects.filter(pk=request.pk, state__in=(State.APPROVED, State.FAILED)).update(
            state=State.FAILED, failure=failure, changed_at=timezone.now()
        )
        request.refresh_from_db()
        _record(request, None, {"state": State.FAILED, "why": failure["what"]})
        request_mails.tell_after_commit(request, "failed", None)


def _told(error: Exception) -> dict[str, str]:
    if isinstance(error, ClusterError):
        return {"what": error.what, "why": error.why, "remedy": error.remedy}
    return {"what": str(error), "why": "", "remedy": ""}


def _record(request: TenantRequest, by: Any, after: dict[str, Any]) -> None:
    trail.record(by=by, action="request.apply", subject=request, after=after, operation=request.operation)
