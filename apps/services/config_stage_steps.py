"""The steps of a trial of a configuration revision: one for each stage but the last, which publishes it to all pods.

A stage brings the revision to its share of the pods, waits until they are ready, and watches them. Somebody
may hold it there, or let it go on at once; never past pods that are not ready. Idempotent: a worker that takes over
goes on where the time stood. What is on trial goes away with a trial that failed or was cancelled; after a good one it
stays until all pods have the revision (apps.services.rollout_cluster.delete_others).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.manifests.paths import collection
from apps.manifests.trial import trial
from apps.manifests.workload import settings_objects
from apps.models import ConfigRevision, Workload
from apps.rollouts.stages import Stage
from apps.rollouts.trial import Trial, judge_trial, newly_failing
from apps.selectors.configurations import State, settings_of
from apps.selectors.workloads import full, place_of
from apps.services import rollout_cluster
from apps.services.config_trial_return import end_trial
from apps.services.rollout_watch import Watched, failures
from apps.specs.reading import parse
from clusters import access
from clusters.errors import ClusterUnreachable
from clusters.manifests.workload_labels import APP_LABEL, TRIAL_LABEL
from clusters.services.deployment_addons import explained
from kcloud_site.operations.errors import Cancelled, StepFailed
from kcloud_site.operations.kinds import StepContext, StepDefinition
from kcloud_site.operations.models import Operation

# For which a person may hold a stage: a trial takes a worker's place.
HELD_SECONDS = 3600


def stage_steps(operation: Operation) -> Iterable[StepDefinition]:
    stages = [Stage(**each) for each in operation.inputs["stages"]]
    for number, stage in enumerate(stages[:-1], 1):
        title = format_lazy(
            gettext_lazy("Stage {number}: {share} percent, {pods} pods"),
            number=number,
            share=stage.share,
            pods=stage.pods,
        )
        yield StepDefinition(f"stage-{number}", title, _stage_step(number, stage, stages[number]))


def _stage_step(number: int, stage: Stage, following: Stage) -> Callable[[StepContext], None]:
    def run(context: StepContext) -> None:
        workload = _workload(context)
        context.remember(begun=True)
        ConfigRevision.objects.filter(pk=context.inputs["revision"]).update(trial_stage=number)
        try:
            with explained(context):
                _apply(context, workload, stage)
                _until_ready(context, workload, stage)
                _stay_well(context, workload, number, stage)
        except (Cancelled, StepFailed) as error:
            _give_up(context, workload, error)
            raise
        if following.is_last:
            context.log(_("They stayed well. Now all pods get it."))
        else:
            context.log(
                _("They stayed well. Next are %(share)d %% of the pods.") % {"share": following.share}
            )

    return run


def _apply(context: StepContext, workload: Workload, stage: Stage) -> None:
    """The revision's objects and the pods on trial. Its own objects, also where files are changed in place."""
    client, number = access.kubernetes_for(workload.environment), int(context.inputs["number"])
    settings = settings_of(workload, number, live=False)
    assert workload.release is not None  # asked for with both
    assert settings is not None
    place = place_of(workload, workload.release)
    made = trial(parse(workload.release.spec), place, settings, stage.pods)
    for each in (*settings_objects(place, settings), made):
        context.check()
        client.apply(each)
        context.log(_("applied %(name)s") % {"name": f"{each['kind']} {each['metadata']['name']}"})


def _until_ready(context: StepContext, workload: Workload, stage: Stage) -> None:
    until, said = time.monotonic() + int(context.inputs["patience"]), ""
    while True:
        context.check()
        found, version = _look(context, workload, stage, {})
        if found.ready:
            return
        said = _say(context, found, stage, said)
        if found.hopeless or time.monotonic() > until:
            raise _bad(context, found)
        rollout_cluster.await_change(workload, version, seconds=1.0, pods=True)


def _stay_well(context: StepContext, workload: Workload, number: int, stage: Stage) -> None:
    known, watched, held_until = failures(workload), Watched(context, stage.seconds), 0.0
    context.remember(ready=True)
    context.log(
        _("The pods on trial are ready. They are watched for %(seconds)d s.") % {"seconds": stage.seconds}
    )
    while True:
        context.check()
        found, version = _look(context, workload, stage, newly_failing(known, failures(workload)))
        if not found.ready:
            raise _bad(context, found)
        left = watched.left()
        held, passed = _orders(context)
        if passed >= number:
            context.log(_("A person let it go on."))
            return
        if not held:
            held_until = 0.0
            if left <= 0:
                return
        elif not held_until:
            held_until = time.monotonic() + HELD_SECONDS
            context.log(_("A person holds it here."), level="warning")
        elif time.monotonic() > held_until:
            raise _forgotten()
        wait = 2.0 if held else max(0.2, min(2.0, left))
        rollout_cluster.await_change(workload, version, seconds=wait, pods=True)


def _orders(context: StepContext) -> tuple[bool, int]:
    """Whether a person holds the trial, and up to which stage one let it go on."""
    rows = ConfigRevision.objects.filter(pk=context.inputs["revision"])
    held, passed = rows.values_list("trial_held", "trial_passed").get()
    return held, passed


def _look(
    context: StepContext, workload: Workload, stage: Stage, failing: dict[str, int]
) -> tuple[Trial, str]:
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    labels = f"{APP_LABEL}={workload.app.name}"
    if context.inputs["kind"] != "StatefulSet":
        labels = f"{labels},{TRIAL_LABEL}=true"
    page = client.get(collection("Pod", namespace), labelSelector=labels, limit=1000)
    found = judge_trial(page.get("items") or [], stage.pods, int(context.inputs["number"]), failing)
    return found, str((page.get("metadata") or {}).get("resourceVersion", ""))


def _say(context: StepContext, found: Trial, stage: Stage, said: str) -> str:
    ready = sum(each.ready for each in found.pods)
    text = _("%(ready)s of %(wanted)s pods on trial are ready.") % {"ready": ready, "wanted": stage.pods}
    text = f"{text} {found.wrong}".strip()
    if text != said:
        context.log(text, level="warning" if found.wrong else "info")
        context.remember(pods=[each.as_json() for each in found.pods[:50]])
    return text


def _bad(context: StepContext, found: Trial) -> StepFailed:
    context.remember(bad=True, pods=[each.as_json() for each in found.pods[:50]])
    return StepFailed(
        what=_("Revision r%(number)s did not stay well on trial") % {"number": context.inputs["number"]},
        why=found.wrong or _("Not all of its pods became ready."),
        remedy=_("All other pods run as before. Look at the log of the pod it names, and make a new draft."),
    )


def _forgotten() -> StepFailed:
    """Not the revision's fault: it is a draft again."""
    return StepFailed(
        what=_("The trial was held for an hour, and nobody let it go on"),
        why=_("A trial that is held keeps a worker busy."),
        remedy=_("All pods run as before. Begin again when somebody can watch it."),
    )


def _give_up(context: StepContext, workload: Workload, error: Exception) -> None:
    """Take the pods on trial away, so that everything runs as before; an unreachable cluster is left alone."""
    if isinstance(error.__cause__, ClusterUnreachable):
        return
    with explained(context):
        end_trial(context, workload, int(context.inputs["number"]))
    context.remember(removed=True)


def _workload(context: StepContext) -> Workload:
    found = full(context.operation.subject_id)
    rows = ConfigRevision.objects.filter(pk=context.inputs["revision"], state=State.TRIAL)
    if found is None or not rows.exists():
        raise StepFailed(
            what=_("The revision is not on trial any more"),
            why=_("It was withdrawn, or the application was removed."),
            remedy=_("Look at the configuration page, and begin again if it is still wanted."),
        )
    return found
