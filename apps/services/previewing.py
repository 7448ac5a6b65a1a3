"""What a deployment would do: asks the cluster, changes nothing, and lets apps.previewing judge.

Objects are sent as a server-side dry run by the environment's own account, so admission and defaults count. Nodes and
what is placed on them are read with the platform's access, for an account of one namespace cannot see them.

Errors: those of apps.services.deployments for what could not be deployed anyway, ClusterUnreachable, SecretUnreadable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from apps.manifests.paths import collection
from apps.models import App, Release, Workload
from apps.previewing.changes import keys_of, template_of
from apps.previewing.facts import (
    Configuration,
    Facts,
    Key,
    Object,
    Refusal,
    Room,
    Storage,
    as_map,
    as_maps,
    key_of,
)
from apps.previewing.judging import preview as judged
from apps.previewing.report import Preview
from apps.rollouts.strategy import BLUE_GREEN, Strategy
from apps.selectors.configurations import published_keys, settings_of
from apps.selectors.workloads import wanted_objects
from apps.services import deployments, image_checks
from clusters import access
from clusters.errors import ClusterError, ClusterRefused, ResourceNotFound
from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION
from clusters.models import Environment, Node
from clusters.observing.nodes import quantity

_KINDS = ("Deployment", "StatefulSet", "Service", "ConfigMap", "Secret")
_SETTINGS = ("ConfigMap", "Secret")
SECONDS = 8.0


def preview(
    *,
    app: App,
    environment: Environment,
    release: Release,
    strategy: Strategy | None = None,
    replicas: int | None = None,
    config_revision: int | None = None,
) -> Preview:
    """As `deployments.deploy_release` with the same arguments would be. Also before the first deployment."""
    if release.app_id != app.pk or environment.tenant_id != app.tenant_id:
        raise deployments.not_its_own(app, release)
    deployments.check_environment(environment)
    chosen = strategy or Strategy()
    now = workload_in(app, environment)
    then = _then(now, release, replicas, config_revision)
    client = access.kubernetes_for(environment, timeout=SECONDS)
    settings = settings_of(then, then.config_revision)
    slot = _other(now.slot) if chosen.type == BLUE_GREEN and now.release_id else now.slot
    wanted = tuple(wanted_objects(then, settings, chosen, slot))
    found = _found(client, environment.namespace, app.name)
    return judged(
        Facts(
            wanted=wanted,
            found=found,
            answers=_answers(client, wanted),
            strategy=chosen.type,
            surge=chosen.surge,
            unavailable=chosen.unavailable,
            quotas=tuple(_listed(client, environment.namespace, "resourcequotas")),
            limits=tuple(_listed(client, environment.namespace, "limitranges")),
            nodes=_rooms(environment),
            kept=_kept(found.values(), now),
            images=image_checks.can_be_pulled(_images(wanted), environment=environment),
            configuration=_configuration(then),
            storage=_storage(environment) if release.spec.get("kind") == "StatefulSet" else None,
        )
    )


def workload_in(app: App, environment: Environment) -> Workload:
    """The row of the application there, or an unsaved one. Raises WorkloadRefused for one in the bin."""
    rows = Workload.objects.select_related("app", "tenant", "environment__cluster", "release")
    found = rows.filter(app=app, environment=environment).first()
    if found is None:
        return Workload(tenant=app.tenant, app=app, environment=environment, replicas=0)
    if found.binned_at is not None:
        raise deployments.in_bin(found)
    return found


def _then(now: Workload, release: Release, replicas: int | None, config_revision: int | None) -> Workload:
    """The row as the deployment would leave it; never saved."""
    if config_revision is not None:
        deployments.checked_revision(now.app, now.environment, config_revision)
    then = Workload(
        pk=now.pk,
        tenant=now.tenant,
        app=now.app,
        environment=now.environment,
        release=release,
        slot=now.slot,
        restarted_at=now.restarted_at,
        config_revision=now.config_revision if config_revision is None else config_revision,
    )
    if replicas is not None:
        then.replicas = deployments.checked_replicas(replicas)
    elif now.release_id is None:
        then.replicas = deployments.first_replicas(release)
    else:
        then.replicas = now.replicas
    return then


def _other(slot: str) -> str:
    return Workload.Slot.GREEN if slot == Workload.Slot.BLUE else Workload.Slot.BLUE


def _answers(client: Any, wanted: Iterable[Object]) -> dict[Key, Object | Refusal]:
    found: dict[Key, Object | Refusal] = {}
    for each in wanted:
        try:
            found[key_of(each)] = client.apply(dict(each), dry_run=True)
        except ClusterRefused as refused:
            found[key_of(each)] = Refusal(refused.what, refused.why, refused.remedy)
    return found


def _found(client: Any, namespace: str, app: str) -> dict[Key, Object]:
    found: dict[Key, Object] = {}
    for kind in _KINDS:
        for each in client.list(collection(kind, namespace), labelSelector=f"{APP_LABEL}={app}"):
            whole = {**each, "kind": kind}
            found[key_of(whole)] = whole
    return found


def _kept(found: Iterable[Object], now: Workload) -> frozenset[Key]:
    """Settings that the present or the last good revision needs stay for the way back."""
    numbers = {str(number) for number in (now.config_revision, now.good_config_revision)}
    kept = []
    for each in found:
        notes = as_map(as_map(each.get("metadata")).get("annotations"))
        if each.get("kind") in _SETTINGS and notes.get(CONFIG_ANNOTATION) in numbers:
            kept.append(each)
    return keys_of(kept)


def _images(wanted: Iterable[Object]) -> list[str]:
    pods = [as_map(template_of(each).get("spec")) for each in wanted]
    return [str(each.get("image", "")) for pod in pods for each in as_maps(pod.get("containers"))]


def _configuration(then: Workload) -> Configuration | None:
    """What there is for the release to read; None when it reads none."""
    if then.release is None or not then.release.spec.get("configuration"):
        return None
    keys = published_keys(then.app)
    here = keys.pop(then.environment_id, None)
    elsewhere = {name for names in keys.values() for name in names}
    lacking = tuple(sorted(elsewhere - here)) if here is not None else ()
    return Configuration(here is not None, then.config_revision is not None, lacking)


def _storage(environment: Environment) -> Storage | None:
    """None when it cannot be seen."""
    try:
        client = access.kubernetes_for(environment.cluster, timeout=SECONDS)
        classes = client.list("/apis/storage.k8s.io/v1/storageclasses")
        volumes = client.list("/api/v1/persistentvolumes")
    except (ClusterError, ResourceNotFound):
        return None
    free = [
        as_map(each.get("spec")) for each in volumes if as_map(each.get("status")).get("phase") == "Available"
    ]
    return Storage(
        classes=frozenset(_name(each) for each in classes),
        default=next((_name(each) for each in classes if _is_usual(each)), ""),
        unclaimed=frozenset(str(each.get("storageClassName") or "") for each in free),
    )


def _is_usual(storage_class: Object) -> bool:
    notes = as_map(as_map(storage_class.get("metadata")).get("annotations"))
    return notes.get("storageclass.kubernetes.io/is-default-class") == "true"


def _name(obj: Object) -> str:
    return str(as_map(obj.get("metadata")).get("name", ""))


def _listed(client: Any, namespace: str, plural: str) -> list[Object]:
    try:
        return list(client.list(f"/api/v1/namespaces/{namespace}/{plural}"))
    except ClusterRefused:
        return []


# ---- nodes


class _Asked(msgspec.Struct):
    requests: dict[str, Any] = {}


class _Container(msgspec.Struct):
    resources: _Asked = msgspec.field(default_factory=_Asked)


class _Spec(msgspec.Struct):
    nodeName: str = ""  # noqa: N815 Kubernetes' own spelling
    containers: list[_Container] = []


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


class _Pods(msgspec.Struct):
    items: list[_Pod] = []


def _rooms(environment: Environment) -> tuple[Room, ...] | None:
    """What is free of each node of the cluster; None when that cannot be seen."""
    nodes = [_room(row) for row in Node.objects.filter(cluster=environment.cluster)]
    if not nodes:
        return None
    try:
        client = access.kubernetes_for(environment.cluster, timeout=SECONDS)
        pods = msgspec.json.decode(client.get_bytes("/api/v1/pods"), type=_Pods).items
    except (ClusterError, ResourceNotFound, msgspec.DecodeError):
        return None
    return free_rooms(nodes, pods)


def free_rooms(nodes: Iterable[Room], pods: Iterable[_Pod]) -> tuple[Room, ...]:
    """The nodes less what the pods placed on them ask for; ended ones ask for nothing."""
    rooms = {each.name: each for each in nodes}
    for pod in pods:
        room = rooms.get(pod.spec.nodeName)
        if room is None or pod.status.phase in ("Succeeded", "Failed"):
            continue
        asked = [each.resources.requests for each in pod.spec.containers]
        rooms[room.name] = replace(
            room,
            cpu=room.cpu - sum(quantity(each.get("cpu", 0)) for each in asked),
            memory=room.memory - sum(quantity(each.get("memory", 0)) for each in asked),
            pods=room.pods - 1,
        )
    return tuple(rooms.values())


def _room(row: Node) -> Room:
    free = as_map(row.status.get("allocatable"))
    return Room(
        name=row.name,
        cpu=float(free.get("cpu") or 0),
        memory=float(free.get("memory") or 0),
        pods=float(free.get("pods") or 0),
        ready=row.ready == "True",
        schedulable=row.schedulable,
        taints=tuple(
            (str(each.get("key", "")), str(each.get("effect", "")))
            for each in as_maps(row.status.get("taints"))
        ),
        labels={str(key): str(value) for key, value in as_map(row.status.get("labels")).items()},
    )
