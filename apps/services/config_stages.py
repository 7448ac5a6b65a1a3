"""Publishing by stages: a share of the pods runs the revision first; when they stay well, all get it by themselves.

The revision is on trial until the operation ends (apps.services.config_stage_steps). Well: it is published, which is a
change of the workload like any other. Not well: it is withdrawn, with the reason. Cancelled, or the cluster cannot be
reached: it is what it was before.
"""

from __future__ import annotations

import contextlib
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.errors import AppError, ConfigurationChanged, ConfigurationRefused, ValueRefused
from apps.manifests.trial import share_of, trial_name
from apps.models import App, ConfigRevision, Deployment, Workload
from apps.selectors import configurations as reading
from apps.selectors.configurations import State, subject_of
from apps.selectors.workloads import full
from apps.selectors.workloads import subject_of as workload_subject
from apps.services import configurations, deployments
from kcloud_site.audit import trail
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.operations.models import Operation, Step
from kcloud_site.operations.models import State as OperationState

STAGE = "apps.config_stage"
LEAST_SECONDS, MOST_SECONDS, DEFAULT_SECONDS = 10, 3600, 60
DEFAULT_SHARE = 25


def stage(
    *,
    revision: ConfigRevision,
    by: Any,
    share: int = DEFAULT_SHARE,
    seconds: int = DEFAULT_SECONDS,
    note: str = "",
) -> Operation:
    """Try the revision on `share` percent of the pods for `seconds`, then publish it, or withdraw it, by itself."""
    _checked("share", share, 1, 100)
    _checked("seconds", seconds, LEAST_SECONDS, MOST_SECONDS)
    configurations.refuse_unpublishable(revision, by)
    workload = reading.workload_in(revision.app, revision.environment)
    if workload is None or not workload.wanted_replicas or workload.release is None:
        raise ConfigurationRefused(
            _("%(app)s does not run there.") % {"app": revision.app.name}, "", _("Publish it to all at once.")
        )
    deployments.check_environment(revision.environment)
    _refuse_untriable(workload)
    pods = share_of(workload.wanted_replicas, share)
    with transaction.atomic():
        operation = operations.request_operation(
            kind=STAGE,
            subject=workload_subject(workload),
            by=by,
            inputs={
                "revision": revision.pk,
                "number": revision.number,
                "before": revision.state,
                "pods": pods,
                "share": share,
                "seconds": seconds,
                "note": note,
            },
            reason=note,
        )
        facts = {"share": share, "seconds": seconds, "pods": pods, "operation": operation.pk}
        row = configurations.claim(revision, (State.DRAFT, State.PROPOSED), state=State.TRIAL, trial=facts)
        trail.record(
            by=by,
            action="configuration.stage",
            subject=subject_of(row),
            after={"revision": row.number, **facts},
            reason=note,
            operation=operation,
        )
    return operation


def staged(operation: Operation) -> None:
    """The end of a trial, whatever it is."""
    row = (
        ConfigRevision.objects.select_related("app", "environment", "tenant")
        .filter(pk=operation.inputs["revision"], state=State.TRIAL)
        .first()
    )
    workload = full(operation.subject_id)
    if row is None or workload is None:
        return
    if operation.state == OperationState.SUCCEEDED:
        _promote(row, workload, operation)
        return
    outcome = _outcome(operation)
    if outcome.get("bad"):
        failure = operation.failure or {}
        reason = {key: str(failure.get(key, "")) for key in ("what", "why", "remedy")}
        configurations.withdraw(revision=row, by=None, reason=reason)
    else:
        configurations.claim(row, (State.TRIAL,), state=operation.inputs["before"])
    if outcome.get("begun") and not outcome.get("removed"):
        # Whatever is left of the trial goes with the end of the next change: one that changes nothing.
        with contextlib.suppress(AppError, SubjectBusy), transaction.atomic():
            deployments.change(workload, Deployment.Action.CONFIG, None, {})


def _promote(row: ConfigRevision, workload: Workload, operation: Operation) -> None:
    newest = reading.published(row.app, row.environment)
    if (newest.number if newest else 0) != row.base:
        raise ConfigurationChanged(_("Another revision was published meanwhile."))
    by, note = operation.requested_by, str(operation.inputs.get("note") or row.note)
    configurations.mark_published(row, by, note, proposed=operation.inputs["before"] == State.PROPOSED)
    deployments.configure_workload(workload=workload, config_revision=row.number, by=by, note=note)


def _outcome(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for outcome in Step.objects.filter(operation=operation).values_list("outcome", flat=True):
        found |= outcome or {}
    return found


def _refuse_untriable(workload: Workload) -> None:
    """What cannot have a second set of pods beside it."""
    if workload.release is not None and workload.release.spec.get("kind") == "StatefulSet":
        raise ConfigurationRefused(
            _("A StatefulSet cannot be tried on a share of its pods."),
            _("Each of its pods has a volume of its own."),
            _("Publish it to all at once; a revision that does not come up gives way by itself."),
        )
    name = trial_name(workload.app.name)
    if App.objects.filter(tenant_id=workload.tenant_id, name=name).exists():
        raise ConfigurationRefused(
            _("The name %(name)s is taken by another application.") % {"name": name},
            "",
            _("Publish it to all at once."),
        )


def _checked(field: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueRefused(
            field,
            _("This is not a number from %(least)d to %(most)d.") % {"least": least, "most": most},
            "",
            "",
        )
