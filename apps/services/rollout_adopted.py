"""What rollouts do with objects that were there before and were taken over (apps.services.adopting).

Most give way: the next release stands beside the old pods and takes the Services over. One with volume claims stays in
its place, for the claims are its own: the release's pods are put into its object, and its Services lead to them still.
"""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from apps.manifests.paths import collection, path
from apps.manifests.workload import FIRST_SLOT, Settings
from apps.models import Workload
from apps.rollouts.strategy import Strategy
from apps.rollouts.taking_over import replacing, template_for
from apps.selectors.workloads import pulls_from_registry, wanted_objects
from apps.services.pull_secrets import ensure_pull_secret
from clusters.errors import ResourceNotFound
from clusters.manifests.workload_labels import APP_LABEL, RESTART_ANNOTATION, SLOT_LABEL
from kcloud_site.operations.kinds import StepContext

Object = dict[str, Any]


def is_adopted(workload: Workload, slot: str) -> bool:
    """Whether the pods of this slot are of an object that was there before."""
    return bool(workload.adopted) and slot == FIRST_SLOT


def stays_in_place(workload: Workload) -> bool:
    """Whether releases are put into the very object that was adopted, because its volumes are its own."""
    return bool(workload.adopted.get("in_place"))


def must_replace(workload: Workload) -> bool:
    """Whether what was adopted has to give way: another release, or a configuration, cannot run in its object."""
    return not stays_in_place(workload) and is_changed(workload)


def change_adopted(
    context: StepContext, client: Any, workload: Workload, settings: Settings | None, strategy: Strategy
) -> None:
    """Replicas and restarts of the object; in place also its pods. Nothing else of it is touched."""
    context.check()
    if stays_in_place(workload):
        changes = _in_place(context, client, workload, settings, strategy)
    else:
        changes = {"replicas": workload.wanted_replicas}
        if workload.restarted_at is not None:
            annotations = {RESTART_ANNOTATION: workload.restarted_at.isoformat()}
            changes["template"] = {"metadata": {"annotations": annotations}}
    adopted = workload.adopted
    client.patch(place_of_adopted(workload), {"spec": changes})
    context.log(_("changed %(name)s") % {"name": f"{adopted['kind']} {adopted['name']}"})


def let_go(context: StepContext, client: Any, workload: Workload) -> None:
    """Our own pods serve: lead the Services of the adopted one to them and delete it."""
    adopted, namespace = workload.adopted, workload.environment.namespace
    ours = {APP_LABEL: workload.app.name, SLOT_LABEL: workload.slot}
    for name in adopted.get("services", []):
        if name != workload.app.name:
            gone = dict.fromkeys(set(adopted["selector"]) - set(ours))
            client.patch(path("Service", namespace, name), {"spec": {"selector": {**gone, **ours}}})
            context.log(_("Service %(name)s leads to the new pods.") % {"name": name})
    context.check()
    try:
        client.delete(place_of_adopted(workload))
        context.log(_("deleted %(name)s") % {"name": f"{adopted['kind']} {adopted['name']}"})
    except ResourceNotFound:
        pass
    Workload.objects.filter(pk=workload.pk).update(adopted={})
    workload.adopted = {}


def mark_claims(context: StepContext, client: Any, workload: Workload) -> None:
    """Before what was adopted goes to the bin: its claims are marked, so that they are found when that is emptied."""
    if not stays_in_place(workload):
        return
    namespace, adopted = workload.environment.namespace, workload.adopted
    begins = tuple(f"{name}-{adopted['name']}-" for name in adopted["claims"])
    for each in client.list(collection("PersistentVolumeClaim", namespace)):
        name = str((each.get("metadata") or {}).get("name", ""))
        if name.startswith(begins) and name.rpartition("-")[2].isdigit():
            labels = {"metadata": {"labels": {APP_LABEL: workload.app.name}}}
            client.patch(path("PersistentVolumeClaim", namespace, name), labels)
            context.log(_("The volume %(name)s is kept.") % {"name": name})


def objects_in_place(
    workload: Workload, settings: Settings | None, strategy: Strategy
) -> tuple[list[Object], Object | None]:
    """What is applied beside the object that was adopted, and the pod template put into it; nothing and None while what
    was adopted runs."""
    if not is_changed(workload):
        return [], None
    objects = wanted_objects(workload, settings, strategy, FIRST_SLOT)
    theirs = workload.app.name in workload.adopted["services"]
    skipped = ("Deployment", "StatefulSet", *(("Service",) if theirs else ()))
    beside = [each for each in objects if each["kind"] not in skipped]
    return beside, objects[-1]["spec"]["template"]


def changes_in_place(workload: Workload, present: Object, wanted: Object | None) -> Object:
    """The changes of the adopted object's spec, as a merge patch."""
    template, adopted = present["spec"]["template"], workload.adopted
    restarted = workload.restarted_at.isoformat() if workload.restarted_at else ""
    after = template_for(template, wanted, adopted["template"], adopted["selector"], restarted)
    changes: Object = {"replicas": workload.wanted_replicas}
    if wanted is not None:
        # Whatever it did by hand, or in part: a release is rolled out to all its pods.
        changes["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": None}
    if after is not None:
        changes["template"] = replacing(template, after)
    return changes


def place_of_adopted(workload: Workload) -> str:
    """The path of the object that was adopted."""
    adopted = workload.adopted
    return path(adopted["kind"], workload.environment.namespace, adopted["name"])


def is_changed(workload: Workload) -> bool:
    """Whether something else should run than what was adopted."""
    adopted = workload.adopted
    return bool(adopted) and (
        workload.release_id != adopted["release"] or workload.config_revision is not None
    )


def _in_place(
    context: StepContext, client: Any, workload: Workload, settings: Settings | None, strategy: Strategy
) -> Object:
    beside, wanted = objects_in_place(workload, settings, strategy)
    if wanted is not None and workload.release is not None and pulls_from_registry(workload.release):
        ensure_pull_secret(environment=workload.environment)
    for each in beside:
        client.apply(each)
        context.log(_("applied %(name)s") % {"name": f"{each['kind']} {each['metadata']['name']}"})
    return changes_in_place(workload, client.get(place_of_adopted(workload)), wanted)
