"""The steps of operations on workloads. Each is idempotent and brings the cluster to what the row says.

A rollout that does not come up in time goes back by itself: the row is set to what last was available, that is applied,
the bad release is kept out, and the operation fails with the cause. The way back is remembered in the step before it
begins, so that a worker that takes over goes on with it. An unreachable cluster is no reason to go back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.diagnosing.diagnosis import reason_of
from apps.manifests.workload import FIRST_SLOT
from apps.models import Deployment, Workload
from apps.rollouts.progress import Progress
from apps.rollouts.strategy import BLUE_GREEN, Strategy
from apps.selectors import diagnosis
from apps.selectors.workloads import full
from apps.services import rollout_return
from apps.services.rollout_adopted import must_replace, stays_in_place
from apps.services.rollout_cluster import (
    apply_all,
    await_change,
    delete_claims,
    delete_others,
    look,
    pods_of,
    remove_objects,
    settings_for,
)
from apps.services.rollout_watch import stay_well
from clusters.services.deployment_addons import explained
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext, StepDefinition
from kcloud_site.operations.models import Operation

# How long pods may take to go when it is stopped or removed; longer than any grace a release may ask for by itself.
LEAVING_SECONDS = 120
# Actions whose failure leads back to what was available before.
_RETURNING = (
    Deployment.Action.DEPLOY,
    Deployment.Action.CONFIG,
    Deployment.Action.HEAL,
    Deployment.Action.UNDO,
)


def rollout_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("apply", gettext_lazy("Apply the objects"), apply_step)
    yield StepDefinition("rollout", gettext_lazy("Wait until it is available"), rollout_step)
    yield StepDefinition("clean", gettext_lazy("Clear away what is left over"), clean_step)


def remove_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("remove", gettext_lazy("Delete what runs, keep the volumes"), remove_step)


def empty_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("volumes", gettext_lazy("Delete the volumes"), empty_step)


def apply_step(context: StepContext) -> None:
    """Everything as the row says. With blue and green the new set stands beside the old one."""
    workload, deployment = subject(context)
    if rollout_return.is_returning(context, "apply"):
        rollout_return.go_back(context, workload, deployment, "apply")
    strategy = _strategy(deployment)
    try:
        with explained(context):
            settings = settings_for(workload, workload.config_revision)
            apply_all(context, workload, settings, strategy, slot=next_slot(workload, strategy), switch=False)
    except StepFailed as failed:
        _return_or_raise(context, workload, deployment, "apply", failed)


def rollout_step(context: StepContext) -> None:
    """Follow the pods until all are new and available; then, with blue and green, lead the Service to them."""
    workload, deployment = subject(context)
    if rollout_return.is_returning(context, "rollout"):
        rollout_return.go_back(context, workload, deployment, "rollout")
    strategy = _strategy(deployment)
    slot = next_slot(workload, strategy)
    try:
        with explained(context):
            follow(context, workload, slot, strategy.timeout)
            if slot != workload.slot:
                settings = settings_for(workload, workload.config_revision)
                apply_all(context, workload, settings, strategy, slot=slot, switch=True)
                Workload.objects.filter(pk=workload.pk).update(slot=slot)
                context.log(_("The Service leads to the new pods."))
            if strategy.watch:
                stay_well(context, full(workload.pk) or workload, strategy.watch)
    except StepFailed as failed:
        _return_or_raise(context, workload, deployment, "rollout", failed)


def clean_step(context: StepContext) -> None:
    """Delete the other set of pods, another kind of the same name, and configuration nothing uses any more."""
    workload, deployment = subject(context)
    with explained(context):
        delete_others(context, workload, deployment)


def remove_step(context: StepContext) -> None:
    """Delete the objects of the workload, but not its volumes, and wait until its pods are gone."""
    workload, _deployment = subject(context)
    with explained(context):
        remove_objects(context, workload)
        _until_gone(context, workload)


def empty_step(context: StepContext) -> None:
    """Delete its volume claims: from here on there is no way back."""
    workload, _deployment = subject(context)
    with explained(context):
        delete_claims(context, workload)


def subject(context: StepContext) -> tuple[Workload, Deployment]:
    """The workload as it should be. A resumed operation brings it back to work."""
    workload = full(context.operation.subject_id)
    deployment = Deployment.objects.filter(operation_id=context.operation.pk).first()
    if workload is None or deployment is None or workload.generation != context.inputs["generation"]:
        raise StepFailed(
            what=_("The application is not as it was when this was asked for"),
            why=_("It was removed.") if workload is None else _("Something else was asked for since."),
            remedy=_("Look at the application, and ask for it anew if it is still wanted."),
        )
    if deployment.state != Deployment.State.RUNNING:
        Deployment.objects.filter(pk=deployment.pk).update(
            state=Deployment.State.RUNNING, reason={}, finished_at=None
        )
        deployment.refresh_from_db()
        Workload.objects.filter(pk=workload.pk).update(state=Workload.State.UPDATING, state_reason={})
    return workload, deployment


def follow(context: StepContext, workload: Workload, slot: str, timeout: float) -> None:
    """Until every wanted pod is available. StepFailed with the cause when it does not get there in time.

    A cancelled one ends at once; `rollout_ends` has it go back."""
    until, told = time.monotonic() + timeout, ""
    while True:
        context.check()
        progress, version = look(workload, slot)
        told = _say(context, progress, told)
        if progress.done:
            return
        if workload.wanted_replicas == 0:
            until = min(until, time.monotonic() + LEAVING_SECONDS)
        if progress.hopeless or time.monotonic() > until:
            raise _not_available(workload, progress, timeout)
        await_change(workload, version, seconds=min(1.0, max(0.2, until - time.monotonic())), slot=slot)


def next_slot(workload: Workload, strategy: Strategy) -> str:
    """Which set of pods the change makes: with blue and green the other one."""
    if must_replace(workload):
        # What was adopted keeps its pods until ours are available beside it.
        return "green"
    if strategy.type != BLUE_GREEN or workload.wanted_replicas == 0 or stays_in_place(workload):
        return workload.slot
    return "green" if workload.slot == FIRST_SLOT else FIRST_SLOT


def _say(context: StepContext, progress: Progress, told: str) -> str:
    """A log line for each change, and the pods for whoever looks at the page. Answers what was said."""
    text = _("%(updated)s of %(wanted)s pods are new, %(available)s available.") % {
        "updated": progress.updated,
        "wanted": progress.wanted,
        "available": progress.available,
    }
    if progress.stuck:
        text = f"{text} {progress.stuck}"
    facts = {"progress": progress.observed(), "pods": [each.as_json() for each in progress.pods[:200]]}
    if text != told:
        context.log(text, level="warning" if progress.stuck else "info")
        context.remember(**facts)
        Workload.objects.filter(pk=context.operation.subject_id).update(observed=progress.observed())
    return text


def _not_available(workload: Workload, progress: Progress, timeout: float) -> StepFailed:
    release = workload.release.version if workload.release else ""
    if progress.hopeless:
        what = _("Release %(release)s does not come up") % {"release": release}
    else:
        what = _("Release %(release)s was not available after %(seconds)d s") % {
            "release": release,
            "seconds": timeout,
        }
    counted = _("%(available)s of %(wanted)s pods were available.") % {
        "available": progress.available,
        "wanted": progress.wanted,
    }
    cause = reason_of(diagnosis.report_of(workload), _)
    if cause is not None:
        return StepFailed(what=what, why=f"{cause['what']}: {cause['why']} {counted}", remedy=cause["remedy"])
    return StepFailed(
        what=what,
        why=f"{progress.stuck}. {counted}" if progress.stuck else counted,
        remedy=_("Look at the health page of the application: it names the cause and the next step."),
    )


def _return_or_raise(
    context: StepContext, workload: Workload, deployment: Deployment, step: str, failed: StepFailed
) -> None:
    """Go back to what was available, when this kind of change does that and there is something to go back to."""
    if deployment.action not in _RETURNING or not _strategy(deployment).automatic_return:
        raise failed
    if isinstance(failed.__cause__, rollout_return.UNREACHABLE) or not rollout_return.has_way_back(workload):
        raise failed
    rollout_return.begin(context, step, failed)
    rollout_return.go_back(context, workload, deployment, step)


def _until_gone(context: StepContext, workload: Workload) -> None:
    until, names = time.monotonic() + LEAVING_SECONDS, ""
    while pods := pods_of(workload):
        context.check()
        now = ", ".join(sorted(str(each["metadata"]["name"]) for each in pods))
        if now != names:
            context.log(_("These pods are still there: %(names)s") % {"names": now})
            names = now
        if time.monotonic() > until:
            raise StepFailed(
                what=_("Some pods do not go"),
                why=now,
                remedy=_("Look at the health page: it says what holds them. Then resume."),
            )
        await_change(workload, "", seconds=1.0, pods=True)
    context.log(_("Its pods are gone."))


def _strategy(deployment: Deployment) -> Strategy:
    return Strategy(**deployment.strategy)
