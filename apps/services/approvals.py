"""Deployments somebody asks for and somebody else decides on; and deployments at an hour, driven by the clock.

Whoever may deploy somewhere decides on what others ask for there, never on their own. Approving deploys at once, or
waits for the hour that was asked for; then the one who approved must still be allowed to.

Errors: FourEyes; ApprovalDecided when somebody was faster; ValueRefused names the field; those of deployments, with
which a request stays open. Rights are asked by whoever calls.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.errors import ApprovalDecided, FourEyes, ValueRefused
from apps.models import App, DeploymentRequest, Release, Workload
from apps.rollouts import strategy as strategies
from apps.rollouts.strategy import Strategy
from apps.selectors.approvals import WAITING, State, subject_of
from apps.selectors.workloads import right_to_change
from apps.services import deployments
from clusters.errors import ClusterError
from clusters.models import Environment
from kcloud_site.audit import trail
from kcloud_site.audit.chain import clean
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants import permissions

FARTHEST = timedelta(days=31)
# Something else is done there: it is tried again so long.
PATIENCE = timedelta(minutes=15)
_log = logging.getLogger(__name__)


def ask(
    *,
    app: App,
    environment: Environment,
    release: Release,
    by: Any,
    reason: str,
    strategy: Strategy | None = None,
    replicas: int | None = None,
    config_revision: int | None = None,
    deploy_at: datetime | None = None,
) -> DeploymentRequest:
    """Ask somebody who may deploy there. What could not be deployed anyway is refused at once."""
    if not reason.strip():
        raise ValueRefused(
            "reason", _("A request needs a reason."), "", _("Say what is deployed, and why now.")
        )
    made = _wanted(app, environment, release, strategy, replicas, config_revision, deploy_at)
    made.reason = clean(reason).strip()[:500]
    with transaction.atomic():
        _save(made, by)
        trail.record(
            by=by, action="deployment.ask", subject=subject_of(made), after=_told(made), reason=made.reason
        )
    return made


def schedule(
    *,
    app: App,
    environment: Environment,
    release: Release,
    by: Any,
    deploy_at: datetime | None,
    reason: str = "",
    strategy: Strategy | None = None,
    replicas: int | None = None,
    config_revision: int | None = None,
) -> DeploymentRequest:
    """Have it deployed at that hour by somebody who may deploy there."""
    if deploy_at is None:
        raise ValueRefused("deploy_at", _("The hour is missing."), "", _("Say when it is to be deployed."))
    made = _wanted(app, environment, release, strategy, replicas, config_revision, deploy_at)
    made.reason = clean(reason).strip()[:500]
    made.state, made.decided_by, made.decided_by_name = State.SCHEDULED, by, trail.Actor.of(by).name
    made.decided_at = timezone.now()
    with transaction.atomic():
        _save(made, by)
        trail.record(
            by=by,
            action="deployment.schedule",
            subject=subject_of(made),
            after=_told(made),
            reason=made.reason,
        )
    return made


def approve(*, request: DeploymentRequest, by: Any, reason: str = "") -> DeploymentRequest:
    """Deploy it now, or at its hour. What the deployment is refused for leaves the request open."""
    _refuse_own(request, by)
    waits = request.deploy_at is not None and request.deploy_at > timezone.now()
    with transaction.atomic():
        _decide(request, (State.OPEN,), State.SCHEDULED if waits else State.DEPLOYED, by, reason)
        trail.record(
            by=by,
            action="deployment.approve",
            subject=subject_of(request),
            after=_told(request),
            reason=request.decision_reason,
        )
        if not waits:
            _deploy(request, by)
    return request


def decline(*, request: DeploymentRequest, by: Any, reason: str) -> DeploymentRequest:
    """Say no, and why."""
    if not reason.strip():
        raise ValueRefused(
            "reason", _("A request is declined with a reason."), "", _("Say why: the requester reads it.")
        )
    _refuse_own(request, by)
    return _ended(request, (State.OPEN,), State.DECLINED, "decline", by, reason)


def withdraw(*, request: DeploymentRequest, by: Any, reason: str = "") -> DeploymentRequest:
    """It will not be deployed: by whoever asked, or by somebody who may deploy there; also after it was scheduled."""
    if request.requested_by_id != by.pk:
        permissions.check(by, right_to_change(request.environment), request.environment)
    return _ended(request, WAITING, State.WITHDRAWN, "withdraw", by, reason)


def start_due(now: datetime) -> int:
    """By the clock: deploy what waited for its hour. Answers how many came to an end."""
    due = DeploymentRequest.objects.filter(state=State.SCHEDULED, deploy_at__lte=now).order_by(
        "deploy_at", "id"
    )
    ended = 0
    for request in due.select_related("app__tenant", "environment__cluster", "release", "decided_by")[:100]:
        try:
            ended += _start(request, now)
        except Exception:
            # One that stumbles must not keep the others waiting; it is tried again at the next turn.
            _log.exception("the deployment %s that is due cannot be begun", request.pk)
    return ended


# ---- inside


def _wanted(
    app: App,
    environment: Environment,
    release: Release,
    strategy: Strategy | None,
    replicas: int | None,
    config_revision: int | None,
    deploy_at: datetime | None,
) -> DeploymentRequest:
    """The row, unsaved, when it could be deployed."""
    if release.app_id != app.pk or environment.tenant_id != app.tenant_id:
        raise deployments.not_its_own(app, release)
    deployments.check_environment(environment)
    if replicas is not None:
        deployments.checked_replicas(replicas)
    if config_revision is not None:
        deployments.checked_revision(app, environment, config_revision)
    known = Workload.objects.select_related("app").filter(app=app, environment=environment).first()
    if known is not None:
        deployments.refuse_pinned(known, release)
    now = timezone.now()
    if deploy_at is not None and not now < deploy_at <= now + FARTHEST:
        raise ValueRefused(
            "deploy_at",
            _("This hour is past, or too far away."),
            "",
            _("Give one of the next %(days)s days.") % {"days": FARTHEST.days},
        )
    return DeploymentRequest(
        tenant_id=app.tenant_id,
        app=app,
        environment=environment,
        release=release,
        replicas=replicas,
        config_revision=config_revision,
        strategy=(strategy or strategies.Strategy()).as_json(),
        deploy_at=deploy_at,
    )


def _save(made: DeploymentRequest, by: Any) -> None:
    made.requested_by = by if getattr(by, "pk", None) else None
    made.requested_by_name = trail.Actor.of(by).name
    made.save()


def _refuse_own(request: DeploymentRequest, by: Any) -> None:
    if request.requested_by_id is not None and request.requested_by_id == getattr(by, "pk", None):
        raise FourEyes(
            _("You asked for this yourself."),
            _("A second person looks at what was asked for."),
            _("Ask somebody else who may deploy there, or withdraw it."),
        )


def _decide(request: DeploymentRequest, states: tuple[str, ...], state: str, by: Any, reason: str) -> None:
    """One conditional update: of two who decide at once one wins, the other is told."""
    won = DeploymentRequest.objects.filter(pk=request.pk, state__in=states).update(
        state=state,
        decided_by=by,
        decided_by_name=trail.Actor.of(by).name,
        decision_reason=clean(reason).strip()[:500],
        decided_at=timezone.now(),
        changed_at=timezone.now(),
    )
    request.refresh_from_db()
    if not won:
        raise ApprovalDecided(
            _("The request is not open any more."),
            _("%(who)s has decided: %(state)s.")
            % {"who": request.decided_by_name, "state": request.get_state_display()},
            _("Read the decision; ask anew if it is still wanted."),
        )


def _ended(
    request: DeploymentRequest, states: tuple[str, ...], state: str, verb: str, by: Any, reason: str
) -> DeploymentRequest:
    with transaction.atomic():
        _decide(request, states, state, by, reason)
        trail.record(
            by=by,
            action=f"deployment.{verb}",
            subject=subject_of(request),
            after=_told(request),
            reason=request.decision_reason,
        )
    return request


def _start(request: DeploymentRequest, now: datetime) -> bool:
    """Whether it came to an end: deployed or failed."""
    by = request.decided_by
    try:
        with transaction.atomic():
            rows = DeploymentRequest.objects.filter(pk=request.pk, state=State.SCHEDULED)
            if not rows.update(state=State.DEPLOYED, changed_at=now):
                return False
            if by is None or not by.is_active:
                raise _nobody_stands_for_it(request)
            if not permissions.may(by, right_to_change(request.environment), request.environment):
                raise _nobody_stands_for_it(request)
            _deploy(request, by)
        return True
    except SubjectBusy as busy:
        if request.deploy_at and now - request.deploy_at < PATIENCE:
            return False
        _failed(request, {"what": str(busy), "why": "", "remedy": _("Deploy it by hand.")})
    except ClusterError as refused:
        _failed(request, {"what": refused.what, "why": refused.why, "remedy": refused.remedy})
    return True


def _nobody_stands_for_it(request: DeploymentRequest) -> FourEyes:
    return FourEyes(
        _("%(who)s may not deploy there any more.") % {"who": request.decided_by_name or "–"},
        _("Whoever approved or scheduled it must be allowed to deploy when its hour comes."),
        _("Somebody who may deploy there can do it now."),
    )


def _deploy(request: DeploymentRequest, by: Any) -> None:
    request.deployment = deployments.deploy_release(
        app=request.app,
        environment=request.environment,
        release=request.release,
        by=by,
        strategy=Strategy(**request.strategy),
        replicas=request.replicas,
        config_revision=request.config_revision,
        note=_note(request),
    )
    request.save(update_fields=["deployment", "changed_at"])


def _note(request: DeploymentRequest) -> str:
    if request.requested_by_id == request.decided_by_id:
        return request.reason
    asked = _("Asked for by %(who)s: %(reason)s") % {
        "who": request.requested_by_name,
        "reason": request.reason,
    }
    return f"{asked} {request.decision_reason}".strip()[:500]


def _failed(request: DeploymentRequest, failure: dict[str, str]) -> None:
    with transaction.atomic():
        rows = DeploymentRequest.objects.filter(pk=request.pk, state=State.SCHEDULED)
        if rows.update(state=State.FAILED, failure=failure, changed_at=timezone.now()):
            request.refresh_from_db()
            trail.record(
                by=None,
                action="deployment.not_started",
                subject=subject_of(request),
                after={**_told(request), "why": failure["what"]},
            )


def _told(request: DeploymentRequest) -> dict[str, Any]:
    """What the audit trail says of it."""
    return {
        "state": str(request.state),
        "release": request.release.version,
        "replicas": request.replicas,
        "config_revision": request.config_revision,
        "deploy_at": request.deploy_at.isoformat() if request.deploy_at else None,
        "requested_by": request.requested_by_name,
    }
