"""Publishing by stages: growing shares of the pods run the revision; while they stay well it goes on by itself.

A person may hold it at a stage, let it go on at once, or give it back. The last stage is a change of the workload like
any other, whose pods are watched, too. Until then the revision is on trial (apps.services.config_stage_steps). Not
well: it is withdrawn, with the reason. Given back, or the cluster cannot be reached: it is what it was before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.errors import AppError, ConfigurationChanged, ConfigurationRefused, ValueRefused
from apps.manifests.trial import trial_name
from apps.models import App, ConfigRevision, Deployment, Workload
from apps.rollouts import stages
from apps.rollouts.stages import Stage
from apps.rollouts.strategy import Strategy
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
Wanted = Iterable[tuple[Any, Any]]


def plan_of(*, revision: ConfigRevision, wanted: Wanted = stages.DEFAULT) -> tuple[Stage, ...]:
    """The stages as they would be now. Raises ValueRefused, ConfigurationRefused, WorkloadRefused."""
    return _planned(_to_try(revision), wanted)


def check_patience(value: Any) -> int:
    """Seconds within which the pods of a stage must be ready. Raises ValueRefused."""
    with _refusals():
        return stages.checked_patience(value)


def stage(
    *,
    revision: ConfigRevision,
    by: Any,
    wanted: Wanted = stages.DEFAULT,
    patience: Any = stages.DEFAULT_PATIENCE,
    note: str = "",
) -> Operation:
    """Bring the revision to all pods by stages, each a (percent, seconds) of `wanted`; or withdraw it, by itself.

    `patience`: seconds within which the pods of a stage must be ready."""
    configurations.refuse_unpublishable(revision, by)
    workload = _to_try(revision)
    planned = _planned(workload, wanted)
    waits = check_patience(patience)
    assert workload.release is not None  # asked for when it was found
    facts = {
        "stages": [each.as_json() for each in planned],
        "patience": waits,
        "kind": str(workload.release.spec.get("kind", "Deployment")),
    }
    with transaction.atomic():
        operation = operations.request_operation(
            kind=STAGE,
            subject=workload_subject(workload),
            by=by,
            inputs={
                "revision": revision.pk,
                "number": revision.number,
                "before": revision.state,
                "note": note,
                **facts,
            },
            reason=note,
        )
        facts["operation"] = operation.pk
        begun = {"trial_stage": 0, "trial_held": False, "trial_passed": 0}
        row = configurations.claim(
            revision, (State.DRAFT, State.PROPOSED), state=State.TRIAL, trial=facts, **begun
        )
        trail.record(
            by=by,
            action="configuration.stage",
            subject=subject_of(row),
            after={"revision": row.number, **facts},
            reason=note,
            operation=operation,
        )
    return operation


@transaction.atomic
def hold(*, revision: ConfigRevision, by: Any) -> None:
    """Stop at the stage it is at. Its pods are watched on; it goes on when somebody says so."""
    _order(revision, by, "configuration.hold", trial_held=True)


@transaction.atomic
def proceed(*, revision: ConfigRevision, by: Any, stage: int) -> None:
    """Go on to the next stage as soon as the pods of `stage`, the one that was seen, are ready."""
    _order(revision, by, "configuration.proceed", stage=stage, trial_held=False, trial_passed=stage)


def give_back(*, revision: ConfigRevision, by: Any) -> Operation:
    """Take it off all pods; it is what it was before the trial."""
    _refuse_without_trial(revision)
    operation = Operation.objects.get(pk=revision.trial["operation"])
    return operations.cancel_operation(operation=operation, by=by)


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
    watch = int(operation.inputs["stages"][-1]["seconds"])
    deployments.configure_workload(
        workload=workload,
        config_revision=row.number,
        by=by,
        note=note,
        strategy=replace(Strategy(), watch=watch),
    )


def _outcome(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for outcome in Step.objects.filter(operation=operation).values_list("outcome", flat=True):
        found |= outcome or {}
    return found


def _to_try(revision: ConfigRevision) -> Workload:
    """The workload it can be tried on, or ConfigurationRefused."""
    workload = reading.workload_in(revision.app, revision.environment)
    if workload is None or not workload.wanted_replicas or workload.release is None:
        raise ConfigurationRefused(
            _("%(app)s does not run there.") % {"app": revision.app.name}, "", _("Publish it to all at once.")
        )
    deployments.check_environment(revision.environment)
    if workload.adopted:
        raise ConfigurationRefused(
            _("%(app)s runs in an object that others made.") % {"app": revision.app.name},
            _("Its Service does not lead to pods that stand beside it."),
            _("Publish it to all at once."),
        )
    name = trial_name(workload.app.name)
    if App.objects.filter(tenant_id=workload.tenant_id, name=name).exists():
        raise ConfigurationRefused(
            _("The name %(name)s is taken by another application.") % {"name": name},
            "",
            _("Publish it to all at once."),
        )
    return workload


def _planned(workload: Workload, wanted: Wanted) -> tuple[Stage, ...]:
    with _refusals():
        return stages.plan(workload.wanted_replicas, wanted)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except stages.StagesRefused as refused:
        each = refused.problem
        raise ValueRefused(each.path, each.message_in(_), "", each.remedy_in(_)) from refused


def _order(revision: ConfigRevision, by: Any, action: str, *, stage: int = 0, **fields: Any) -> None:
    """Write what a person wants of the trial; it is read with the next look at the pods."""
    _refuse_without_trial(revision)
    rows = ConfigRevision.objects.filter(pk=revision.pk, state=State.TRIAL)
    if stage:
        rows = rows.filter(trial_stage=stage)
    if not rows.update(**fields):
        raise ConfigurationChanged(
            _("The trial is at another stage by now."), "", _("Look at it again, then decide.")
        )
    revision.refresh_from_db()
    trail.record(
        by=by,
        action=action,
        subject=subject_of(revision),
        after={"revision": revision.number, "stage": revision.trial_stage},
    )


def _refuse_without_trial(revision: ConfigRevision) -> None:
    if revision.state != State.TRIAL:
        raise ConfigurationRefused(not_on_trial(revision))


def not_on_trial(revision: ConfigRevision) -> str:
    """Said when there is no trial to look at or to order."""
    return _("Revision r%(number)s is not on trial.") % {"number": revision.number}
