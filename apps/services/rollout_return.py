"""The way back of a rollout that failed: what last was available comes back, the bad release is kept out.

`begin` writes the intent into the step before anything is touched; `go_back` may be run any number of times after that.
"""

from __future__ import annotations

import time
from typing import NoReturn

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.models import Deployment, Workload
from apps.rollouts.strategy import Strategy
from apps.selectors.workloads import full
from apps.services import deployments, rollout_cluster
from clusters.errors import ClusterUnreachable
from clusters.services.deployment_addons import explained
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext

UNREACHABLE = (ClusterUnreachable,)
RETURN_SECONDS = 300
_TOLD = ("what", "why", "remedy")


def has_way_back(workload: Workload) -> bool:
    """Whether something else was available there before."""
    good = workload.good_release_id
    same = good == workload.release_id and workload.good_config_revision == workload.config_revision
    return good is not None and not same


def is_returning(context: StepContext, step: str) -> bool:
    """Whether an earlier run of this step had begun to go back."""
    return bool(context.recall(step).get("returning"))


def begin(context: StepContext, step: str, failed: StepFailed) -> None:
    """Write down that, and why, from here on it goes back."""
    context.log(str(failed), level="error")
    context.log(_("Going back to what was available before."), level="warning")
    context.remember(returning={key: str(getattr(failed, key)) for key in _TOLD})


def go_back(context: StepContext, workload: Workload, deployment: Deployment, step: str) -> NoReturn:
    """Bring back what was good, wait for it, keep the bad release out; the operation ends failed, with the cause."""
    reason: dict[str, str] = dict(context.recall(step)["returning"])
    bad = deployment.release
    good = workload.good_release
    Workload.objects.filter(pk=workload.pk).update(
        release_id=workload.good_release_id,
        config_revision=workload.good_config_revision,
        replicas=deployment.before["replicas"],
        stopped=deployment.before["stopped"],
        changed_at=timezone.now(),
    )
    if bad is not None and bad.pk != workload.good_release_id:
        deployments.pin_release(workload, bad, reason)
    now = full(workload.pk)
    assert now is not None  # the operation holds it
    with explained(context):
        settings = rollout_cluster.settings_for(now, now.config_revision)
        rollout_cluster.apply_all(context, now, settings, Strategy(), slot=now.slot, switch=True)
        if bad is not None and bad.spec.get("kind") == "StatefulSet":
            rollout_cluster.delete_stuck_pods(context, now, str(bad.number))
        _wait(context, now)
        rollout_cluster.delete_others(context, now, deployment)
    context.remember(returned=True)
    version = good.version if good else ""
    raise StepFailed(
        what=reason["what"],
        why=reason["why"],
        remedy=_("Release %(version)s is back. %(remedy)s")
        % {"version": version, "remedy": reason["remedy"]},
    )


def _wait(context: StepContext, workload: Workload) -> None:
    until = time.monotonic() + RETURN_SECONDS
    while True:
        context.check()
        progress, version = rollout_cluster.look(workload, workload.slot)
        if progress.done:
            Workload.objects.filter(pk=workload.pk).update(observed=progress.observed())
            context.log(_("What was available before is available again."))
            return
        if time.monotonic() > until:
            raise StepFailed(
                what=_("The release that was good before does not come up either"),
                why=progress.stuck,
                remedy=_("Look at the health page of the application: it names the cause and the next step."),
            )
        rollout_cluster.await_change(workload, version, seconds=1.0)
