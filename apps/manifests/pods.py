"""The pod of a release: containers, probes, volumes, and what Pod Security "restricted" asks for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.specs.spec import Container, Probe, Spec
from clusters.manifests.workload_labels import CONFIG_ANNOTATION, RESTART_ANNOTATION, VARIABLES_ANNOTATION

if TYPE_CHECKING:
    from apps.manifests.workload import Settings

Object = dict[str, Any]
SETTINGS_VOLUME = "kcloud-settings"
_HANDLERS = {"http": "httpGet", "tcp": "tcpSocket", "grpc": "grpc", "exec": "exec"}


def pod_template(
    spec: Spec, app: str, pull_secret: str, restarted_at: str, settings: Settings | None
) -> Object:
    """The template without labels."""
    pod: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.grace,
        "securityContext": _security(spec),
        "containers": [_container(spec, each, app, settings) for each in spec.containers],
    }
    volumes = _volumes(spec, app, settings)
    if volumes:
        pod["volumes"] = volumes
    if pull_secret:
        pod["imagePullSecrets"] = [{"name": pull_secret}]
    annotations = {}
    if settings is not None and not settings.live:
        annotations[CONFIG_ANNOTATION] = str(settings.number)
    elif settings is not None:
        # Files are read again while running; variables only at the start.
        annotations[VARIABLES_ANNOTATION] = str(settings.variables_since)
    if restarted_at:
        annotations[RESTART_ANNOTATION] = restarted_at
    return {"metadata": {"annotations": annotations} if annotations else {}, "spec": pod}


def _security(spec: Spec) -> Object:
    found: Object = {
        "runAsNonRoot": True,
        "runAsUser": spec.run_as,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    group = spec.group or (spec.run_as if spec.keeps_data else None)
    if group is not None:
        found |= {"runAsGroup": group, "fsGroup": group}
    return found


def _container(spec: Spec, container: Container, app: str, settings: Settings | None) -> Object:
    made: Object = {
        "name": container.name,
        "image": container.image,
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    for key in ("command", "args"):
        if words := getattr(container, key):
            made[key] = list(words)
    if container.ports:
        made["ports"] = [
            {"name": each.name, "containerPort": each.port, "protocol": each.protocol}
            for each in container.ports
        ]
    if container.environment:
        made["env"] = [{"name": name, "value": value} for name, value in container.environment.items()]
    resources = {
        key: dict(amounts) for key in ("requests", "limits") if (amounts := getattr(container.resources, key))
    }
    if resources:
        made["resources"] = resources
    made |= {f"{name}Probe": _probe(probe) for name, probe in container.probes.items()}
    _add_settings(made, spec, app, settings)
    mounts = [
        {"name": each.volume, "mountPath": each.path, **({"readOnly": True} if each.read_only else {})}
        for each in container.mounts
    ]
    if mounts or "volumeMounts" in made:
        made["volumeMounts"] = [*mounts, *made.pop("volumeMounts", [])]
    return made


def _add_settings(made: Object, spec: Spec, app: str, settings: Settings | None) -> None:
    if settings is None or spec.configuration is None:
        return
    if spec.configuration.environment:
        sources: list[Object] = []
        if settings.variables:
            sources.append({"configMapRef": {"name": settings.name(app, "variables")}})
        if settings.secret_variables:
            sources.append({"secretRef": {"name": settings.name(app, "secret-variables")}})
        if sources:
            made["envFrom"] = sources
    if spec.configuration.path and _sources(spec, app, settings):
        mount = {"name": SETTINGS_VOLUME, "mountPath": spec.configuration.path, "readOnly": True}
        made["volumeMounts"] = [mount]


def _sources(spec: Spec, app: str, settings: Settings) -> list[Object]:
    """What the configuration's folder shows: the files, and the variables when they are not in the environment."""
    found: list[Object] = []
    plain, secret = ["files"], ["secret-files"]
    if spec.configuration is not None and not spec.configuration.environment:
        plain, secret = ["files", "variables"], ["secret-files", "secret-variables"]
    for kind, names in (("configMap", plain), ("secret", secret)):
        for what in names:
            if getattr(settings, what.replace("-", "_")):
                found.append({kind: {"name": settings.name(app, what)}})
    return found


def _volumes(spec: Spec, app: str, settings: Settings | None) -> list[Object]:
    found: list[Object] = []
    for volume in spec.volumes:
        if volume.type == "empty":
            limit = {"sizeLimit": volume.size} if volume.size else {}
            found.append({"name": volume.name, "emptyDir": limit})
    if settings is not None and spec.configuration is not None and spec.configuration.path:
        sources = _sources(spec, app, settings)
        if sources:
            found.append({"name": SETTINGS_VOLUME, "projected": {"sources": sources}})
    return found


def _probe(probe: Probe) -> Object:
    action: Object = {}
    if probe.type == "exec":
        action = {"command": list(probe.command)}
    elif probe.type == "http":
        action = {"path": probe.path, "port": probe.port}
    else:
        action = {"port": probe.port}
        if probe.type == "grpc" and probe.service:
            action["service"] = probe.service
    return {
        _HANDLERS[probe.type]: action,
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "initialDelaySeconds": probe.delay,
        "failureThreshold": probe.failures,
        "successThreshold": probe.successes,
    }
