"""Takes over what runs already in an environment, without touching a pod.

`found_in` shows what could be adopted and why the rest cannot. `adopt` writes rows only: the application, a release
that says what runs (images by the digest the nodes pulled), and a workload that knows the object by its own name and
selector. The next release takes its place beside it and leads the Services over (apps.services.rollout_cluster).

Errors: ValueRefused names the field; those of the cluster.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.errors import ValueRefused, WorkloadRefused
from apps.importing import objects
from apps.importing.outcome import Candidate
from apps.manifests.paths import collection
from apps.models import App, Release, Workload
from apps.rollouts.health import state_of
from apps.selectors.workloads import subject_of, told
from apps.services import apps, deployments, releases, rollout_cluster
from apps.services.importing import problems_of
from apps.specs.reading import parse
from clusters import access
from clusters.errors import ClusterError
from clusters.manifests.fields import map_of, maps_of
from clusters.manifests.workload_labels import APP_LABEL
from clusters.models import Environment
from kcloud_site.audit import trail

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Found:
    """One workload that is there. `refusal`: why it cannot be adopted; empty when it can."""

    candidate: Candidate
    kind: str
    name: str
    selector: dict[str, str]
    services: tuple[str, ...]
    refusal: str = ""
    # Of one whose volumes are its own: the names of its claims, and its pod template as it is.
    claims: tuple[str, ...] = ()
    template: Object = field(default_factory=dict)


def found_in(environment: Environment) -> list[Found]:
    """Deployments and StatefulSets of the namespace that no application of the portal stands for."""
    client, namespace = access.kubernetes_for(environment), environment.namespace
    listed = {
        kind: client.list(collection(kind, namespace))
        for kind in (*objects.WORKLOADS, "Service", "ConfigMap", "Pod")
    }
    adopted = {
        (each["kind"], each["name"])
        for each in Workload.objects.filter(environment=environment).values_list("adopted", flat=True)
        if each
    }
    found = []
    for kind in objects.WORKLOADS:
        for each in listed[kind]:
            metadata = map_of(each.get("metadata"))
            ours = APP_LABEL in map_of(metadata.get("labels"))
            if not ours and (kind, metadata.get("name")) not in adopted:
                found.append(_found(kind, each, listed, environment))
    return sorted(found, key=lambda each: (bool(each.refusal), each.name))


def adopt(*, environment: Environment, names: Collection[str], by: Any) -> list[Workload]:
    """Take over the named ones, all or none. Nothing on the cluster changes."""
    deployments.check_environment(environment)
    chosen = [each for each in found_in(environment) if each.name in set(names)]
    if not chosen:
        raise ValueRefused("names", _("Nothing was chosen."), "", _("Tick at least one application."))
    for each in chosen:
        if each.refusal:
            raise ValueRefused("names", f"{each.name}: {each.refusal}", "", _("Leave it out."))
    with transaction.atomic():
        made = [_adopt(environment, each, by) for each in chosen]
    for workload in made:
        look_at(workload)
    return made


def look_at_all() -> int:
    """Look after every adopted workload; one that cannot be seen is unknown. Answers how many there are."""
    rows = Workload.objects.exclude(adopted={}).exclude(state__in=("updating", "binned"))
    found = list(rows.select_related("app", "environment__cluster", "release", "tenant"))
    for workload in found:
        look_at(workload)
    return len(found)


def look_at(workload: Workload) -> None:
    """How it is now, read from the cluster."""
    rows = Workload.objects.filter(pk=workload.pk, generation=workload.generation)
    try:
        progress, _version = rollout_cluster.look(workload, workload.slot)
    except ClusterError as error:
        reason = {"what": error.what, "why": error.why, "remedy": error.remedy}
        rows.update(state=Workload.State.UNKNOWN, state_reason=reason)
        return
    seen = progress.observed()
    state = state_of(seen, workload.wanted_replicas)
    reason = {} if state == "healthy" else {"what": progress.stuck, "why": "", "remedy": ""}
    rows.update(observed=seen, state=state, state_reason=reason, seen_at=timezone.now())


def _adopt(environment: Environment, found: Found, by: Any) -> Workload:
    app = App.objects.filter(tenant=environment.tenant, name=found.candidate.name).first()
    if app is None:
        name = found.candidate.name
        app = apps.register_app(tenant=environment.tenant, name=name, by=by, owner=trail.Actor.of(by).name)
    elif Workload.objects.filter(app=app, environment=environment).exists():
        raise WorkloadRefused(
            _("%(app)s is in %(environment)s already.") % {"app": app.name, "environment": environment.name},
            "",
            _("Leave it out, or remove the other one first."),
        )
    release = releases.publish_pinned(
        app=app,
        version=_free_version(app, environment),
        spec=parse(found.candidate.spec),
        by=by,
        notes=_("As it ran in %(environment)s when it was taken over.") % {"environment": environment.name},
        source=Release.Source.ADOPTED,
    )
    adopted = {
        "kind": found.kind,
        "name": found.name,
        "selector": found.selector,
        "release": release.pk,
        "services": list(found.services),
    }
    if found.claims:
        # Its releases are put into its own object, for the volumes belong to that; this is the way back.
        adopted |= {"in_place": True, "claims": list(found.claims), "template": dict(found.template)}
    made = Workload.objects.create(
        tenant=environment.tenant,
        app=app,
        environment=environment,
        release=release,
        good_release=release,
        replicas=max(found.candidate.replicas, 1),
        stopped=found.candidate.replicas == 0,
        adopted=adopted,
        state=Workload.State.UNKNOWN,
    )
    trail.record(
        by=by, action="app.adopt", subject=subject_of(made), after={**told(made), "object": found.name}
    )
    return made


def _free_version(app: App, environment: Environment) -> str:
    base = f"adopted-{environment.name}"
    taken = set(app.releases.filter(version__startswith=base).values_list("version", flat=True))
    return next(
        each
        for number in range(len(taken) + 1)
        if (each := f"{base}-{number}" if number else base) not in taken
    )


def _found(kind: str, each: Object, listed: Mapping[str, list[Any]], environment: Environment) -> Found:
    # Items of a list come without their kind.
    whole = [{**row, "kind": other} for other in ("Service", "ConfigMap") for row in listed[other]]
    candidate = objects.read([{**each, "kind": kind}, *whole]).candidates[0]
    spec = map_of(each.get("spec"))
    selector = map_of(spec.get("selector"))
    labels = {str(key): str(value) for key, value in map_of(selector.get("matchLabels")).items()}
    made = Found(
        candidate=_with_digests(candidate, labels, listed["Pod"]),
        kind=kind,
        name=str(map_of(each.get("metadata")).get("name", "")),
        selector=labels,
        services=tuple(_leading_to(spec, listed["Service"])),
        claims=tuple(_claims(spec)),
        template=map_of(spec.get("template")),
    )
    return replace(made, refusal=_refusal(made, spec))


def _claims(spec: Object) -> list[str]:
    templates = maps_of(spec.get("volumeClaimTemplates"))
    return [str(map_of(each.get("metadata")).get("name", "")) for each in templates]


def _refusal(found: Found, spec: Object) -> str:
    if map_of(spec.get("selector")).get("matchExpressions") or not found.selector:
        return _("It finds its pods by more than equal labels.")
    if found.claims and found.candidate.name != found.name:
        return _("Its name is none an application can have, and its volumes are found by it.")
    policy = map_of(spec.get("persistentVolumeClaimRetentionPolicy"))
    if found.claims and policy.get("whenDeleted") == "Delete":
        return _("Its volumes would go with it: set whenDeleted to Retain first.")
    for note in found.candidate.notes:
        if note.level == "refused":
            return note.message_in(_)
    problems = problems_of(found.candidate)
    return f"{problems[0].path}: {problems[0].message_in(_)}" if problems else ""


def _leading_to(spec: Object, services: list[Any]) -> list[str]:
    """The Services that lead to its pods."""
    template = map_of(map_of(spec.get("template")).get("metadata"))
    labels = map_of(template.get("labels"))
    found = []
    for each in services:
        selector = map_of(map_of(each.get("spec")).get("selector"))
        if selector and selector.items() <= labels.items():
            found.append(str(map_of(each.get("metadata")).get("name", "")))
    return found


def _with_digests(candidate: Candidate, selector: Mapping[str, str], pods: list[Any]) -> Candidate:
    """Its images as the nodes pulled them, where a running pod tells."""
    digests: dict[str, str] = {}
    for pod in pods:
        labels = map_of(map_of(pod.get("metadata")).get("labels"))
        if selector and selector.items() <= labels.items():
            for status in maps_of(map_of(pod.get("status")).get("containerStatuses")):
                _name, at, digest = str(status.get("imageID", "")).rpartition("@")
                if at and digest.startswith("sha256:"):
                    digests[str(status.get("name"))] = digest
    containers = []
    for container in candidate.spec.get("containers", []):
        image, digest = container["image"], digests.get(container["name"], "")
        # Images of the release bundle lie on the nodes by their name alone.
        if digest and "@" not in image and not image.startswith("kcloud.local/"):
            last = image.rsplit("/", 1)[-1]
            image = f"{image.removesuffix(':' + last.partition(':')[2]) if ':' in last else image}@{digest}"
        containers.append({**container, "image": image})
    spec = {**candidate.spec, "containers": containers}
    return Candidate(candidate.name, spec, candidate.replicas, candidate.notes, candidate.secrets)
