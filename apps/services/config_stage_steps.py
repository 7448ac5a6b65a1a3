"""The steps of a trial of a configuration revision: make the second set of pods, watch it, take it away if it is bad.

Idempotent. The pods on trial go away with the trial that failed or was cancelled; after a good one they stay until all
pods have the revision (apps.services.rollout_cluster.delete_others)."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.manifests.paths import collection
from apps.manifests.trial import trial
from apps.manifests.workload import settings_objects
from apps.models import ConfigRevision, Workload
from apps.rollouts.trial import Trial, judge_trial, probe_failures
from apps.selectors.configurations import State, settings_of
from apps.selectors.workloads import full, place_of
from apps.services import rollout_cluster
from apps.specs.reading import parse
from clusters import access
from clusters.errors import ClusterUnreachable
from clusters.manifests.workload_labels import APP_LABEL, TRIAL_LABEL
from clusters.services.deployment_addons import explained
from kcloud_site.operations.errors import Cancelled, StepFailed
from kcloud_site.operations.kinds import StepContext, StepDefinition
from kcloud_site.operations.models import Operation

# Within which the pods on trial must be ready.
READY_SECONDS = 180


def stage_steps(operation: Operation) -> Iterable[StepDefinition]:
    yield StepDefinition("begin", gettext_lazy("Start pods with the new revision"), begin_step)
    yield StepDefinition("watch", gettext_lazy("Watch them"), watch_step)


def begin_step(context: StepContext) -> None:
    """The revision's objects and the second Deployment. Its own objects, also where files are changed in place."""
    workload = _workload(context)
    context.remember(begun=True)
    try:
        with explained(context):
            _apply(context, workload)
    except (Cancelled, StepFailed) as error:
        _give_up(context, workload, error)
        raise


def watch_step(context: StepContext) -> None:
    """Ready in time, then well for as long as was asked for."""
    workload = _workload(context)
    try:
        with explained(context):
            _until_ready(context, workload)
            _stay_well(context, workload)
    except (Cancelled, StepFailed) as error:
        _give_up(context, workload, error)
        raise
    context.log(_("They stayed well. Now all pods get it."))


def _apply(context: StepContext, workload: Workload) -> None:
    client, number = access.kubernetes_for(workload.environment), int(context.inputs["number"])
    settings = settings_of(workload, number, live=False)
    assert workload.release is not None  # asked for with both
    assert settings is not None
    place = place_of(workload, workload.release)
    made = trial(parse(workload.release.spec), place, settings, int(context.inputs["pods"]))
    for each in (*settings_objects(place, settings), made):
        context.check()
        client.apply(each)
        context.log(_("applied %(name)s") % {"name": f"{each['kind']} {each['metadata']['name']}"})


def _until_ready(context: StepContext, workload: Workload) -> None:
    until, said = time.monotonic() + READY_SECONDS, ""
    while True:
        context.check()
        found, version = _look(context, workload, {})
        if found.ready:
            return
        said = _say(context, found, said)
        if found.hopeless or time.monotonic() > until:
            raise _bad(context, found)
        rollout_cluster.await_change(workload, version, seconds=1.0, pods=True)


def _stay_well(context: StepContext, workload: Workload) -> None:
    seconds = int(context.inputs["seconds"])
    until = time.monotonic() + seconds
    known = _failures(workload)
    context.log(_("The pods on trial are ready. They are watched for %(seconds)d s.") % {"seconds": seconds})
    while True:
        context.check()
        failing = {
            name: count - known.get(name, 0)
            for name, count in _failures(workload).items()
            if count > known.get(name, 0)
        }
        found, version = _look(context, workload, failing)
        if not found.ready:
            raise _bad(context, found)
        left = until - time.monotonic()
        if left <= 0:
            return
        rollout_cluster.await_change(workload, version, seconds=max(0.2, min(2.0, left)), pods=True)


def _look(context: StepContext, workload: Workload, failing: dict[str, int]) -> tuple[Trial, str]:
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    labels = f"{APP_LABEL}={workload.app.name},{TRIAL_LABEL}=true"
    page = client.get(collection("Pod", namespace), labelSelector=labels, limit=1000)
    found = judge_trial(
        page.get("items") or [], int(context.inputs["pods"]), int(context.inputs["number"]), failing
    )
    return found, str((page.get("metadata") or {}).get("resourceVersion", ""))


def _failures(workload: Workload) -> dict[str, int]:
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    page: dict[str, Any] = client.get(
        collection("Event", namespace), fieldSelector="involvedObject.kind=Pod,reason=Unhealthy", limit=500
    )
    return probe_failures(page.get("items") or [])


def _say(context: StepContext, found: Trial, said: str) -> str:
    ready = sum(each.ready for each in found.pods)
    text = _("%(ready)s of %(wanted)s pods on trial are ready.") % {
        "ready": ready,
        "wanted": context.inputs["pods"],
    }
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


def _give_up(context: StepContext, workload: Workload, error: Exception) -> None:
    """Take the pods on trial away, so that everything runs as before; an unreachable cluster is left alone."""
    if isinstance(error.__cause__, ClusterUnreachable):
        return
    with explained(context):
        rollout_cluster.delete_trial(context, workload, int(context.inputs["number"]))
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
