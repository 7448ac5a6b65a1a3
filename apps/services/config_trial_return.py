"""The way back from a trial: everything runs as before it, and nothing of it is left on the cluster.

Asks nobody whether the operation goes on: this is also how a cancelled one ends.
"""

from __future__ import annotations

import time
from typing import Any

from django.utils.translation import gettext as _

from apps.manifests.paths import collection, path, path_of
from apps.manifests.trial import trial_name
from apps.models import Workload
from apps.rollouts.progress import pod_state
from apps.selectors.configurations import settings_of
from apps.selectors.workloads import wanted_objects
from apps.services import rollout_cluster
from clusters import access
from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION
from kcloud_site.operations.kinds import StepContext

# How long the pods of a StatefulSet may take to be as before. What is left then goes with the next change.
BACK_SECONDS = 180


def end_trial(context: StepContext, workload: Workload, number: int) -> None:
    """The pods that try a revision, and its objects unless it is what all run with."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    if context.inputs["kind"] == "StatefulSet":
        if not _put_back(context, client, workload, number):
            return
    else:
        rollout_cluster.client_delete(client, path("Deployment", namespace, trial_name(workload.app.name)))
        context.log(_("Took the pods on trial away."))
    if number in (workload.config_revision, workload.good_config_revision):
        return
    for each in rollout_cluster.settings_objects_of(workload):
        annotations = (each.get("metadata") or {}).get("annotations") or {}
        if each.get("immutable") and annotations.get(CONFIG_ANNOTATION) == str(number):
            rollout_cluster.client_delete(client, path_of(each))


def _put_back(context: StepContext, client: Any, workload: Workload, number: int) -> bool:
    """The StatefulSet as it was. A pod that never became ready keeps its controller from replacing it: it is deleted.
    Answers whether no pod needs the revision any more."""
    for each in wanted_objects(workload, settings_of(workload, workload.config_revision)):
        if each["kind"] == "StatefulSet":
            client.apply(each)
    context.log(_("The StatefulSet is as it was before the trial."))
    until, deleted = time.monotonic() + BACK_SECONDS, set[str]()
    while True:
        page = client.get(
            collection("Pod", workload.environment.namespace),
            labelSelector=f"{APP_LABEL}={workload.app.name}",
            limit=1000,
        )
        left = [state for each in page.get("items") or [] if (state := pod_state(each)).config == str(number)]
        if not left:
            context.log(_("Its pods are as before."))
            return True
        for pod in left:
            if not pod.ready and not pod.leaving and pod.name not in deleted:
                deleted.add(pod.name)
                place = path("Pod", workload.environment.namespace, pod.name)
                rollout_cluster.client_delete(client, place)
                context.log(_("deleted %(name)s") % {"name": f"pods/{pod.name}"})
        if time.monotonic() > until:
            names = ", ".join(sorted(each.name for each in left))
            context.log(_("These pods are still there: %(names)s") % {"names": names}, level="warning")
            return False
        version = str((page.get("metadata") or {}).get("resourceVersion", ""))
        rollout_cluster.await_change(workload, version, seconds=1.0, pods=True)
