"""The objects that run a release in an environment. Pure.

`objects(spec, place, configuration)` answers everything to apply, in order: configuration first, so that no pod waits
for it. The same input gives the same objects, so what is there can be compared with what should be. Pods fulfil Pod
Security "restricted"; nothing leaves the environment's namespace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.manifests.pods import pod_template
from apps.specs.spec import Spec
from clusters.manifests.fields import map_of
from clusters.manifests.workload_labels import (
    APP_LABEL,
    CONFIG_ANNOTATION,
    MANAGED_BY,
    NAME_LABEL,
    RELEASE_LABEL,
    SLOT_LABEL,
    TENANT_LABEL,
)

Object = dict[str, Any]
FIRST_SLOT = "blue"


@dataclass(frozen=True)
class Settings:
    """One configuration revision: variables and files, the secret ones apart. `live`: changed in place, because the
    application reads its files again; otherwise each revision has objects of its own that never change.
    `variables_since`: the revision in which the variables got their present values."""

    number: int
    variables: Mapping[str, str] = field(default_factory=dict)
    secret_variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    secret_files: Mapping[str, str] = field(default_factory=dict)
    live: bool = False
    variables_since: int = 0

    def name(self, app: str, what: str) -> str:
        """The object's name: "web-variables-7", or "web-variables" when it is changed in place."""
        return f"{app}-{what}" if self.live else f"{app}-{what}-{self.number}"


@dataclass(frozen=True)
class Place:
    """Where and as what a release runs. `strategy`: the Deployment's own ({"type": "RollingUpdate", …})."""

    namespace: str
    app: str
    tenant: str
    environment: str
    release: int
    replicas: int
    slot: str = FIRST_SLOT
    restarted_at: str = ""
    strategy: Mapping[str, Any] = field(default_factory=dict)
    pull_secret: str = ""

    @property
    def name(self) -> str:
        """Of the Deployment or StatefulSet: the application's, but for the second set of pods."""
        return self.app if self.slot == FIRST_SLOT else f"{self.app}-{self.slot}"


def objects(spec: Spec, place: Place, settings: Settings | None = None) -> list[Object]:
    """Everything to apply, in order."""
    return [*settings_objects(place, settings), *service(spec, place), workload(spec, place, settings)]


def labels(place: Place) -> dict[str, str]:
    """On every object of the application in this environment."""
    return {
        MANAGED_BY[0]: MANAGED_BY[1],
        "app.kubernetes.io/name": place.app,
        "app.kubernetes.io/part-of": place.tenant,
        APP_LABEL: place.app,
        NAME_LABEL: place.environment,
        TENANT_LABEL: place.tenant,
    }


def selector(place: Place) -> dict[str, str]:
    """What finds the pods of one slot."""
    return {APP_LABEL: place.app, SLOT_LABEL: place.slot}


def settings_objects(place: Place, settings: Settings | None) -> list[Object]:
    """ConfigMaps and Secrets of a revision; what is empty is left out."""
    if settings is None:
        return []
    made = []
    for what, kind, content in (
        ("variables", "ConfigMap", settings.variables),
        ("secret-variables", "Secret", settings.secret_variables),
        ("files", "ConfigMap", settings.files),
        ("secret-files", "Secret", settings.secret_files),
    ):
        if content:
            made.append(_settings_object(place, settings, what, kind, content))
    return made


def _settings_object(
    place: Place, settings: Settings, what: str, kind: str, content: Mapping[str, str]
) -> Object:
    made = _object(place, "v1", kind, settings.name(place.app, what))
    made["metadata"]["annotations"] = {CONFIG_ANNOTATION: str(settings.number)}
    made["stringData" if kind == "Secret" else "data"] = dict(content)
    if not settings.live:
        made["immutable"] = True
    return made


def service(spec: Spec, place: Place) -> list[Object]:
    """The Service, when the release has one; it leads to the pods of one slot."""
    if spec.service is None:
        return []
    made = _object(place, "v1", "Service", place.app)
    ports = [
        {
            "name": each.name,
            "port": each.port,
            "targetPort": each.target,
            "protocol": spec.ports[each.target].protocol,
        }
        for each in spec.service.ports
    ]
    made["spec"] = {"selector": selector(place), "ports": ports, "type": "ClusterIP"}
    if spec.service.headless:
        made["spec"]["clusterIP"] = "None"
    return [made]


def is_made_anew(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a Service cannot become what is wanted: with an address of its own or without (headless) is for good."""
    has = map_of(present.get("spec")).get("clusterIP")
    return bool(has) and (has == "None") != (map_of(wanted.get("spec")).get("clusterIP") == "None")


def workload(spec: Spec, place: Place, settings: Settings | None) -> Object:
    """The Deployment or StatefulSet."""
    made = _object(place, "apps/v1", spec.kind, place.name)
    template = pod_template(spec, place.app, place.pull_secret, place.restarted_at, settings)
    metadata = template.setdefault("metadata", {})
    metadata["labels"] = {**labels(place), **selector(place), RELEASE_LABEL: str(place.release)}
    made["spec"] = {
        "replicas": place.replicas,
        "selector": {"matchLabels": selector(place)},
        "template": template,
        "revisionHistoryLimit": 3,
    }
    if spec.kind == "StatefulSet":
        made["spec"]["serviceName"] = place.app
        made["spec"]["volumeClaimTemplates"] = [_claim(each) for each in spec.volumes if each.type == "claim"]
        # A bad release must be replaceable although its pod never became ready (rollouts wait for it otherwise).
        made["spec"]["podManagementPolicy"] = "Parallel"
    elif place.strategy:
        made["spec"]["strategy"] = dict(place.strategy)
    return made


def _claim(volume: Any) -> Object:
    wanted: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class:
        wanted["storageClassName"] = volume.storage_class
    return {"metadata": {"name": volume.name}, "spec": wanted}


def _object(place: Place, version: str, kind: str, name: str) -> Object:
    metadata = {"name": name, "namespace": place.namespace, "labels": labels(place)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}
