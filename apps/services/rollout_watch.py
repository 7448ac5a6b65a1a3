"""Watches what runs for a while: the last stage of a configuration, and the counters every stage is judged by."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from apps.manifests.paths import collection
from apps.models import Workload
from apps.rollouts.trial import newly_failing, probe_failures
from apps.services.rollout_cluster import await_change, look
from clusters import access
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext

# A worker that takes over goes on counting from what was remembered last.
REMEMBER_EVERY = 5.0


class Watched:
    """How long something was watched already, across workers: `spent` of `seconds`, by the monotonic clock."""

    def __init__(self, context: StepContext, seconds: int) -> None:
        self.context, self.seconds = context, seconds
        self.before = self.told = float(context.recall().get("watched", 0))
        self.began = time.monotonic()

    def left(self) -> float:
        """Seconds still to go; remembers how many are gone."""
        spent = self.before + time.monotonic() - self.began
        if spent - self.told >= REMEMBER_EVERY or (spent >= self.seconds > self.told):
            self.told = spent
            self.context.remember(watched=round(min(spent, self.seconds), 1))
        return self.seconds - spent


def stay_well(context: StepContext, workload: Workload, seconds: int) -> None:
    """Raise StepFailed when a pod restarts or fails its probes within `seconds`, or not all are available then."""
    watched = Watched(context, seconds)
    known = failures(workload)
    first: dict[str, int] | None = None
    context.log(_("All pods are new. They are watched for %(seconds)d s.") % {"seconds": seconds})
    while True:
        context.check()
        progress, version = look(workload, workload.slot)
        restarts = {each.name: each.restarts for each in progress.pods}
        first = restarts if first is None else first
        failing = newly_failing(known, failures(workload))
        ours = {name: count for name, count in failing.items() if name in restarts}
        restarted = [name for name, count in restarts.items() if count > first.get(name, 0)]
        if restarted or ours:
            raise _not_well(f"{restarted[0]}: Restarted" if restarted else f"{min(ours)}: Unhealthy")
        left = watched.left()
        if left <= 0 and progress.done:
            context.log(_("They stayed well."))
            return
        if left <= 0:
            raise _not_well(progress.stuck or _("Not all pods are available."))
        await_change(workload, version, seconds=max(0.2, min(2.0, left)))


def failures(workload: Workload) -> dict[str, int]:
    """How often probes of the environment's pods have failed until now, by pod."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    page: Mapping[str, Any] = client.get(
        collection("Event", namespace), fieldSelector="involvedObject.kind=Pod,reason=Unhealthy", limit=500
    )
    return probe_failures(page.get("items") or [])


def _not_well(why: str) -> StepFailed:
    return StepFailed(
        what=_("The configuration did not stay well on all pods"),
        why=why,
        remedy=_("Look at the log of the pod it names, and make a new draft."),
    )
