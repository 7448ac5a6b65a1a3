"""What the end of an operation means for its workload: called once, in the transaction that ends the operation."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.models import Deployment, Workload
from apps.rollouts.health import state_of
from apps.selectors.workloads import full, subject_of, told
from apps.services.configurations_in_force import follow_workload
from kcloud_site.audit import trail
from kcloud_site.operations.models import Operation, State, Step

_TOLD = ("what", "why", "remedy")
_ENDS = {State.SUCCEEDED: "succeeded", State.FAILED: "failed", State.CANCELLED: "cancelled"}


def rolled_out(operation: Operation) -> None:
    """The end of deploying, scaling, stopping, starting, restarting, undoing."""
    workload = _workload(operation)
    deployment = Deployment.objects.filter(operation_id=operation.pk).first()
    if workload is None or deployment is None:
        return
    returned = operation.state == State.FAILED and _has_returned(operation)
    _end(deployment, operation, "returned" if returned else _ENDS[State(operation.state)])
    rows = Workload.objects.filter(pk=workload.pk)
    wanted = workload.wanted_replicas
    if operation.state == State.SUCCEEDED:
        good: dict[str, Any] = {}
        if wanted:
            good = {"good_release": workload.release, "good_config_revision": workload.config_revision}
        rows.update(state=state_of(workload.observed, wanted), state_reason={}, seen_at=Now(), **good)
    elif operation.state == State.CANCELLED:
        _take_back(operation, workload, deployment)
    else:
        state = state_of(workload.observed, wanted) if returned else Workload.State.DEGRADED
        if not returned and not workload.observed.get("available"):
            state = Workload.State.DOWN
        rows.update(state=state, state_reason=_reason(operation))
    follow_workload(workload, _reason(operation) if returned else None)
    action = {"succeeded": "available", "returned": "returned"}.get(deployment.state, deployment.state)
    trail.record(
        by=None,
        action=f"deployment.{action}",
        subject=subject_of(workload),
        after={**told(full(workload.pk) or workload), "number": deployment.number},
        reason=str(operation.failure.get("what", "")),
        operation=operation,
    )


def removed(operation: Operation) -> None:
    """The end of the way to the bin."""
    workload = _workload(operation)
    deployment = Deployment.objects.filter(operation_id=operation.pk).first()
    if workload is None or deployment is None:
        return
    _end(deployment, operation, _ENDS[State(operation.state)])
    rows = Workload.objects.filter(pk=workload.pk)
    if operation.state == State.SUCCEEDED:
        rows.update(state=Workload.State.BINNED, state_reason={}, observed={})
    else:
        reason = _reason(operation) or {"what": _("Its removal was cancelled."), "why": "", "remedy": ""}
        rows.update(state_reason=reason)


def emptied(operation: Operation) -> None:
    """Its volumes are gone: so is it."""
    workload = _workload(operation)
    if workload is None:
        return
    if operation.state == State.SUCCEEDED:
        trail.record(by=None, action="deployment.purged", subject=subject_of(workload), operation=operation)
        workload.delete()
        return
    Workload.objects.filter(pk=workload.pk).update(state_reason=_reason(operation))


def _take_back(operation: Operation, workload: Workload, deployment: Deployment) -> None:
    """Cancelled: what was before is asked for again, as a change of its own, when something ran before."""
    from apps.services import deployments

    before = dict(operation.inputs["before"])
    state = before.pop("state")
    rows = Workload.objects.filter(pk=workload.pk)
    if before["release_id"] is None:
        reason = {
            "what": _("Its first deployment was cancelled."),
            "why": _("What was applied until then is still on the cluster."),
            "remedy": _("Deploy a release, or remove the application from the environment."),
        }
        rows.update(state=Workload.State.DEGRADED, state_reason=reason)
        return
    rows.update(state=state, generation=F("generation") + 1)
    deployments.take_back(
        workload=workload, before=before, by=operation.requested_by, note=_("Cancelled: as it was before.")
    )


def _has_returned(operation: Operation) -> bool:
    rows = Step.objects.filter(operation=operation, key__in=("apply", "rollout"))
    return any((outcome or {}).get("returned") for outcome in rows.values_list("outcome", flat=True))


def _end(deployment: Deployment, operation: Operation, state: str) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(
        state=state, reason=_reason(operation), finished_at=Now()
    )
    deployment.refresh_from_db()


def _reason(operation: Operation) -> dict[str, str]:
    failure = operation.failure or {}
    return {key: str(failure.get(key, "")) for key in _TOLD} if failure else {}


def _workload(operation: Operation) -> Workload | None:
    """The workload, unless something newer was asked for."""
    found = full(operation.subject_id)
    return found if found is not None and found.generation == operation.inputs["generation"] else None
