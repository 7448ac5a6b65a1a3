"""What rollouts do on a cluster, always as the environment's own account: apply, look, wait for a change, delete.

Raises the errors of clusters.errors as they come; `explained` around a step turns them into its end.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from apps.manifests.paths import collection, path, path_of
from apps.manifests.trial import trial_name
from apps.manifests.workload import FIRST_SLOT, Settings, is_made_anew
from apps.models import Deployment, Workload
from apps.rollouts.progress import Progress, judge
from apps.rollouts.strategy import Strategy
from apps.selectors.configurations import settings_of
from apps.selectors.workloads import pulls_from_registry, wanted_objects
from apps.services.pull_secrets import ensure_pull_secret
from apps.services.rollout_adopted import change_adopted, is_adopted, let_go, mark_claims
from clusters import access
from clusters.errors import ClusterRefused, ResourceNotFound, WatchExpired
from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION, SLOT_LABEL
from kcloud_site.operations.kinds import StepContext

Object = dict[str, Any]
SLOTS = (FIRST_SLOT, "green")
_KINDS = ("Deployment", "StatefulSet")


def settings_for(workload: Workload, number: int | None) -> Settings | None:
    """The configuration revision as objects are made of it; None for none."""
    return settings_of(workload, number)


def apply_all(
    context: StepContext,
    workload: Workload,
    settings: Settings | None,
    strategy: Strategy,
    *,
    slot: str,
    switch: bool,
) -> None:
    """Server-side apply of everything. `switch` False and another slot: the Service stays where it is."""
    client = access.kubernetes_for(workload.environment)
    if is_adopted(workload, slot):
        change_adopted(context, client, workload, settings, strategy)
        return
    if workload.release is not None and pulls_from_registry(workload.release):
        ensure_pull_secret(environment=workload.environment)
    wanted = wanted_objects(workload, settings, strategy, slot)
    if slot != workload.slot and not switch:
        wanted = [each for each in wanted if each["kind"] != "Service"]
    _make_way(context, client, wanted)
    context.check()
    # Side by side, what others stand on first: an application of many objects is on the cluster in a few round trips.
    client.apply_all(wanted)
    for each in wanted:
        context.log(_("applied %(name)s") % {"name": f"{each['kind']} {each['metadata']['name']}"})


def _make_way(context: StepContext, client: Any, wanted: Iterable[Object]) -> None:
    """Delete a Service that cannot become what is wanted. Its name leads nowhere until the next one is there."""
    for each in wanted:
        if each["kind"] != "Service":
            continue
        try:
            present = client.get(path_of(each))
        except ResourceNotFound:
            continue
        if is_made_anew(present, each):
            _delete(context, client, path_of(each))


def look(workload: Workload, slot: str) -> tuple[Progress, str]:
    """How far the pods of one slot are, and the version of the workload's object, to watch from."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    kind = _kind(workload, slot)
    found = client.get(path(kind, namespace, _name(workload, slot)))
    page = client.get(collection("Pod", namespace), labelSelector=_selector(workload, slot), limit=1000)
    release = str(workload.release.number) if workload.release else ""
    version = str((found.get("metadata") or {}).get("resourceVersion", ""))
    return judge({"kind": kind, **found}, page.get("items") or [], release), version


def pods_of(workload: Workload) -> list[Object]:
    """All pods of the application there, of both slots."""
    return access.kubernetes_for(workload.environment).list(
        collection("Pod", workload.environment.namespace), labelSelector=f"{APP_LABEL}={workload.app.name}"
    )


def await_change(
    workload: Workload, version: str, seconds: float, *, pods: bool = False, slot: str = ""
) -> None:
    """Return when the workload's object (or, with `pods`, one of its pods) changes after `version`, or after `seconds`.
    The look that follows tells what is true; what an event says is of no account."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    until = time.monotonic() + seconds
    if pods:
        place, selector = collection("Pod", namespace), {"labelSelector": f"{APP_LABEL}={workload.app.name}"}
    else:
        place = collection(_kind(workload, slot or workload.slot), namespace)
        selector = {"fieldSelector": f"metadata.name={_name(workload, slot or workload.slot)}"}
    try:
        for kind, _found in client.watch(place, version, timeout=max(1.0, seconds), **selector):
            if kind != "BOOKMARK" or time.monotonic() > until:
                break
    except WatchExpired:
        return
    # Several objects change at once: one look serves them all.
    time.sleep(0.1)


def delete_others(context: StepContext, workload: Workload, deployment: Deployment) -> None:
    """The other slot, the other kind, and revisions of the configuration that neither now nor the way back needs."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    if workload.adopted and workload.slot != FIRST_SLOT:
        let_go(context, client, workload)
    keep = (_kind(workload, workload.slot), _name(workload, workload.slot))
    for kind in _KINDS:
        for slot in SLOTS:
            # Of the name of what was adopted there may be others' objects.
            if (kind, _name(workload, slot)) != keep and not is_adopted(workload, slot):
                _delete(context, client, path(kind, namespace, _name(workload, slot)))
    _delete(context, client, path("Deployment", namespace, trial_name(workload.app.name)))
    theirs = workload.app.name in workload.adopted.get("services", [])
    if workload.release is not None and not workload.release.spec.get("service") and not theirs:
        _delete(context, client, path("Service", namespace, workload.app.name))
    numbers = {
        workload.config_revision,
        workload.good_config_revision,
        deployment.before.get("config_revision"),
    }
    for each in settings_objects_of(workload):
        number = ((each.get("metadata") or {}).get("annotations") or {}).get(CONFIG_ANNOTATION, "")
        if each.get("immutable") and number not in {str(known) for known in numbers}:
            _delete(context, client, path_of(each))


def client_delete(client: Any, place: str) -> None:
    """Delete it if it is there. Asks nobody whether the operation goes on: this is also how a cancelled one ends."""
    try:
        client.delete(place)
    except ResourceNotFound:
        return


def remove_objects(context: StepContext, workload: Workload) -> None:
    """Everything but the volume claims."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    _delete(context, client, path("Service", namespace, workload.app.name))
    if workload.adopted:
        # What comes back from the bin is made by us.
        adopted = workload.adopted
        mark_claims(context, client, workload)
        _delete(context, client, path(adopted["kind"], namespace, adopted["name"]))
        Workload.objects.filter(pk=workload.pk).update(adopted={})
        workload.adopted = {}
    for kind in _KINDS:
        for slot in SLOTS:
            _delete(context, client, path(kind, namespace, _name(workload, slot)))
    _delete(context, client, path("Deployment", namespace, trial_name(workload.app.name)))
    for each in settings_objects_of(workload):
        _delete(context, client, path_of(each))


def delete_claims(context: StepContext, workload: Workload) -> None:
    """The volume claims of its pods."""
    client = access.kubernetes_for(workload.environment)
    for each in claims_of(workload):
        _delete(context, client, path_of(each))


def claims_of(workload: Workload) -> list[Object]:
    """The volume claims that belong to it: a StatefulSet marks them with what finds its pods."""
    namespace, kind = workload.environment.namespace, "PersistentVolumeClaim"
    found = access.kubernetes_for(workload.environment).list(
        collection(kind, namespace), labelSelector=f"{APP_LABEL}={workload.app.name}"
    )
    return [_named(each, kind, namespace) for each in found]


def delete_stuck_pods(context: StepContext, workload: Workload, release: str) -> None:
    """Pods of a StatefulSet that never became ready keep it from going back: they are deleted by the very one."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    progress, _version = look(workload, workload.slot)
    for pod in progress.pods:
        if pod.release == release and not pod.ready:
            _delete(context, client, path("Pod", namespace, pod.name))


def settings_objects_of(workload: Workload) -> Iterable[Object]:
    """ConfigMaps and Secrets of its configuration, of all revisions."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    for kind in ("ConfigMap", "Secret"):
        found = client.list(collection(kind, namespace), labelSelector=f"{APP_LABEL}={workload.app.name}")
        yield from (_named(each, kind, namespace) for each in found)


def _named(each: Object, kind: str, namespace: str) -> Object:
    """Items of a list come without their kind."""
    return {**each, "kind": kind, "metadata": {"namespace": namespace, **(each.get("metadata") or {})}}


def _delete(context: StepContext, client: Any, place: str) -> None:
    context.check()
    try:
        client.get(place)
    except ResourceNotFound:
        return
    except ClusterRefused:
        pass
    client.delete(place)
    context.log(_("deleted %(name)s") % {"name": place.rsplit("/", 2)[-2] + "/" + place.rsplit("/", 1)[-1]})


def _selector(workload: Workload, slot: str) -> str:
    if is_adopted(workload, slot):
        return ",".join(f"{key}={value}" for key, value in sorted(workload.adopted["selector"].items()))
    return f"{APP_LABEL}={workload.app.name},{SLOT_LABEL}={slot}"


def _kind(workload: Workload, slot: str) -> str:
    if is_adopted(workload, slot):
        return str(workload.adopted["kind"])
    return str(workload.release.spec.get("kind", "Deployment")) if workload.release else "Deployment"


def _name(workload: Workload, slot: str) -> str:
    if is_adopted(workload, slot):
        return str(workload.adopted["name"])
    return workload.app.name if slot == FIRST_SLOT else f"{workload.app.name}-{slot}"
