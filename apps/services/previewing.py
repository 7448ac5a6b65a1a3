"""What a deployment would do: asks the cluster, changes nothing, and lets apps.previewing judge.

Objects are sent as a server-side dry run by the environment's own account, so admission and defaults count. Nodes and
what is placed on them are read with the platform's access, for an account of one namespace cannot see them.

Errors: those of apps.services.deployments for what could not be deployed anyway, ClusterUnreachable, SecretUnreadable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.manifests.paths import collection
from apps.manifests.workload import Settings, is_made_anew
from apps.models import App, Release, Workload
from apps.previewing.changes import keys_of, template_of
from apps.previewing.facts import (
    Configuration,
    Facts,
    Key,
    Object,
    Refusal,
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
from apps.services.node_rooms import rooms_of
from apps.services.rollout_adopted import (
    changes_in_place,
    must_replace,
    objects_in_place,
    place_of_adopted,
    stays_in_place,
)
from clusters import access
from clusters.errors import ClusterError, ClusterRefused, ResourceNotFound
from clusters.manifests.fields import map_of
from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION
from clusters.models import Environment

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
    found = _found(client, environment.namespace, app.name)
    if now.adopted:
        kind = str(now.adopted["kind"])
        found |= {(kind, str(now.adopted["name"])): {**client.get(place_of_adopted(now)), "kind": kind}}
    wanted, answers = _asked(client, then, settings, chosen, found, runs=now.release_id is not None)
    return judged(
        Facts(
            wanted=wanted,
            found=found,
            answers=answers,
            strategy=chosen.type,
            surge=chosen.surge,
            unavailable=chosen.unavailable,
            quotas=tuple(_listed(client, environment.namespace, "resourcequotas")),
            limits=tuple(_listed(client, environment.namespace, "limitranges")),
            nodes=rooms_of(environment.cluster),
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
        adopted=now.adopted,
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


def _asked(
    client: Any,
    then: Workload,
    settings: Settings | None,
    strategy: Strategy,
    found: Mapping[Key, Object],
    *,
    runs: bool,
) -> tuple[tuple[Object, ...], dict[Key, Object | Refusal]]:
    """What should be there, and what the server would make of it."""
    if not stays_in_place(then):
        beside = must_replace(then) or (strategy.type == BLUE_GREEN and runs)
        slot = _other(then.slot) if beside else then.slot
        wanted = tuple(wanted_objects(then, settings, strategy, slot))
        return wanted, _answers(client, wanted, found)
    # The release's pods are put into the object that was adopted.
    others, template = objects_in_place(then, settings, strategy)
    present, kind = client.get(place_of_adopted(then)), str(then.adopted["kind"])
    changes = changes_in_place(then, present, template)
    body = {**present, "kind": kind}
    answers = _answers(client, others, found)
    try:
        body = {**client.patch(place_of_adopted(then), {"spec": changes}, dry_run=True), "kind": kind}
        answers[key_of(body)] = body
    except ClusterRefused as refused:
        answers[key_of(body)] = Refusal(refused.what, refused.why, refused.remedy)
    return (*others, body), answers


def _answers(
    client: Any, wanted: Iterable[Object], found: Mapping[Key, Object]
) -> dict[Key, Object | Refusal]:
    answers: dict[Key, Object | Refusal] = {}
    for each in wanted:
        present = found.get(key_of(each), {})
        if each["kind"] == "Service" and is_made_anew(present, each):
            # The server would refuse the change; deploying deletes the old one first.
            spec = {**map_of(present.get("spec")), **each["spec"]}
            spec["clusterIP"] = each["spec"].get("clusterIP", "")
            answers[key_of(each)] = {**present, "spec": spec}
            continue
        try:
            answers[key_of(each)] = client.apply(dict(each), dry_run=True)
        except ClusterRefused as refused:
            answers[key_of(each)] = Refusal(refused.what, refused.why, refused.remedy)
    return answers


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
