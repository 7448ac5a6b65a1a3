"""Kubernetes objects, from manifests or from a cluster, as applications: one for each Deployment and StatefulSet. Pure.

What environments of tenants refuse (host paths, privileges, other namespaces, cluster-wide kinds) is refused here, by
name; what has no counterpart is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.importing.compose_values import short_name
from apps.importing.objects_pod import read_pod
from apps.importing.outcome import CHANGED, IGNORED, REFUSED, TAKEN, Candidate, Notes, Understood
from clusters.manifests.fields import map_of, maps_of
from clusters.problems import gettext_noop as _

Object = Mapping[str, Any]
WORKLOADS = ("Deployment", "StatefulSet")
_WITHOUT = {
    "Ingress": _("Ways in from outside are set up with traffic management."),
    "NetworkPolicy": _("The environment has walls of its own."),
    "ServiceAccount": _("Pods run without rights on the cluster."),
    "Namespace": _("The environment is the namespace."),
    "ResourceQuota": _("The environment has a share of its own."),
    "LimitRange": _("The environment has limits of its own."),
    "PodDisruptionBudget": _("The portal keeps as many pods as a deployment allows to be missing."),
    "PersistentVolumeClaim": _("Claims are made by the application that mounts them."),
    "Job": _("Work that ends is not hosted here yet."),
    "CronJob": _("Work that ends is not hosted here yet."),
    "DaemonSet": _("What runs on every node belongs to the platform."),
}
_READ = (*WORKLOADS, "Service", "ConfigMap", "Secret", "HorizontalPodAutoscaler")


def read(documents: Iterable[object]) -> Understood:
    """`documents`: objects, also inside a List."""
    notes = Notes()
    objects = list(_flat(documents, notes))
    by_kind: dict[str, list[Object]] = {}
    for each in objects:
        by_kind.setdefault(str(each.get("kind")), []).append(each)
    for kind, some in by_kind.items():
        for each in some:
            _note_foreign(kind, each, notes)
    made = tuple(_candidate(each, by_kind) for kind in WORKLOADS for each in by_kind.get(kind, []))
    if not made:
        notes.add("", REFUSED, _("There is no Deployment and no StatefulSet in it."))
    return Understood(made, tuple(notes.kept))


def _flat(documents: Iterable[object], notes: Notes) -> Iterable[Object]:
    for index, each in enumerate(documents):
        if not isinstance(each, Mapping) or not isinstance(each.get("kind"), str):
            notes.add(str(index), IGNORED, _("This is no object of Kubernetes."))
        elif each["kind"].endswith("List") and isinstance(each.get("items"), list):
            yield from _flat(each["items"], notes)
        else:
            yield each


def _note_foreign(kind: str, each: Object, notes: Notes) -> None:
    name = str(map_of(each.get("metadata")).get("name", ""))
    if kind in _WITHOUT:
        notes.add(f"{kind}/{name}", IGNORED, _WITHOUT[kind])
    elif kind not in _READ:
        notes.add(f"{kind}/{name}", IGNORED, _("Objects of this kind are not taken over."))


def _candidate(found: Object, by_kind: Mapping[str, list[Object]]) -> Candidate:
    kind, metadata = str(found["kind"]), map_of(found.get("metadata"))
    theirs = str(metadata.get("name", ""))
    notes, name = Notes(f"{kind}/{theirs}"), short_name(theirs)
    if name != theirs:
        notes.add("", CHANGED, _("It is called %(name)s here."), name=name)
    spec = map_of(found.get("spec"))
    template = map_of(spec.get("template"))
    pod = read_pod(map_of(template.get("spec")), by_kind, notes)
    made: dict[str, Any] = {"kind": kind, **pod.spec}
    _add_claims(made, spec, notes)
    labels = map_of(map_of(template.get("metadata")).get("labels"))
    _add_service(made, labels, by_kind.get("Service", []), notes)
    _add_scaling(made, kind, theirs, by_kind.get("HorizontalPodAutoscaler", []))
    replicas = spec.get("replicas", 1)
    count = replicas if isinstance(replicas, int) and not isinstance(replicas, bool) else 1
    return Candidate(name, made, count, tuple(notes.kept), tuple(pod.secrets))


def _add_claims(made: dict[str, Any], spec: Object, notes: Notes) -> None:
    for each in maps_of(spec.get("volumeClaimTemplates")):
        wanted = map_of(each.get("spec"))
        size = map_of(map_of(wanted.get("resources")).get("requests")).get("storage", "1Gi")
        volume = {
            "name": str(map_of(each.get("metadata")).get("name", "data")),
            "type": "claim",
            "size": str(size),
        }
        if wanted.get("storageClassName"):
            volume["storage_class"] = str(wanted["storageClassName"])
        made.setdefault("volumes", []).append(volume)
        notes.add("spec.volumeClaimTemplates", TAKEN, _("A claim of %(size)s for each pod."), size=str(size))


def _add_service(made: dict[str, Any], labels: Object, services: list[Object], notes: Notes) -> None:
    for each in services:
        spec = map_of(each.get("spec"))
        selector = map_of(spec.get("selector"))
        if not selector or not selector.items() <= labels.items():
            continue
        if made.get("service"):
            notes.add("service", IGNORED, _("It has one Service here; the first one is taken."))
            return
        ports = [found for port in maps_of(spec.get("ports")) if (found := _service_port(port, made))]
        if ports:
            made["service"] = {"ports": ports, "headless": spec.get("clusterIP") == "None"}
        if spec.get("type") in ("NodePort", "LoadBalancer"):
            text = _("It is reached inside the environment only; a Service of type %(type)s is not made.")
            notes.add("service", CHANGED, text, type=str(spec["type"]))


def _service_port(port: Object, made: dict[str, Any]) -> dict[str, Any] | None:
    known = [each for container in made["containers"] for each in container.get("ports", [])]
    target = port.get("targetPort", port.get("port"))
    found = next((each for each in known if target in (each["name"], each["port"])), None)
    if found is None and isinstance(target, int):
        # The port is served but was not declared, which Kubernetes allows.
        found = {"name": f"p{target}", "port": target, "protocol": str(port.get("protocol", "TCP"))}
        made["containers"][0].setdefault("ports", []).append(found)
    if found is None:
        return None
    return {
        "name": str(port.get("name") or found["name"])[:15],
        "port": port.get("port"),
        "target": found["name"],
    }


def _add_scaling(made: dict[str, Any], kind: str, name: str, scalers: list[Object]) -> None:
    for each in scalers:
        spec = map_of(each.get("spec"))
        target = map_of(spec.get("scaleTargetRef"))
        if (target.get("kind"), target.get("name")) == (kind, name):
            made["scaling"] = {"min": spec.get("minReplicas", 1), "max": spec.get("maxReplicas", 1)}
