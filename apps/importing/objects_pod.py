"""The pod of a Deployment or StatefulSet as the containers and volumes of a release. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.importing.outcome import CHANGED, IGNORED, REFUSED, Notes
from clusters.manifests.fields import map_of, maps_of
from clusters.problems import gettext_noop as _

Object = Mapping[str, Any]
_MUST_NOT = {
    "hostNetwork": _("The node's network is not given to tenants."),
    "hostPID": _("The node's processes are not shown to tenants."),
    "hostIPC": _("The node's memory is not shown to tenants."),
    "nodeName": _("The scheduler chooses the node."),
}
_WITHOUT = (
    "initContainers",
    "affinity",
    "nodeSelector",
    "tolerations",
    "topologySpreadConstraints",
    "priorityClassName",
)
_HANDLERS = {"httpGet": "http", "tcpSocket": "tcp", "grpc": "grpc", "exec": "exec"}


@dataclass
class Pod:
    """Fields of a spec, and the names of variables whose secret values were not taken over."""

    spec: dict[str, Any] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)


def read_pod(pod: Object, by_kind: Mapping[str, list[Object]], notes: Notes) -> Pod:
    """`by_kind`: the other objects at hand, for ConfigMaps that are named."""
    made = Pod()
    for key, why in _MUST_NOT.items():
        if pod.get(key):
            notes.add(f"spec.{key}", REFUSED, why)
    for key in _WITHOUT:
        if pod.get(key):
            notes.add(f"spec.{key}", IGNORED, _("This has no counterpart here."))
    known = _volumes(pod, made, notes)
    configs = {_name(each): map_of(each.get("data")) for each in by_kind.get("ConfigMap", [])}
    made.spec["containers"] = [
        _container(each, index, known, configs, made, notes)
        for index, each in enumerate(maps_of(pod.get("containers")))
    ]
    security = map_of(pod.get("securityContext"))
    first = map_of(next(iter(maps_of(pod.get("containers"))), {}).get("securityContext"))
    user = first.get("runAsUser", security.get("runAsUser"))
    if isinstance(user, int) and user > 0:
        made.spec["run_as"] = user
    else:
        text = _("It runs as user 10001: environments of tenants want a number that is not root's.")
        notes.add("spec.securityContext", CHANGED, text)
    if isinstance(security.get("fsGroup"), int) and security["fsGroup"] > 0:
        made.spec["group"] = security["fsGroup"]
    grace = pod.get("terminationGracePeriodSeconds")
    if isinstance(grace, int) and not isinstance(grace, bool):
        made.spec["grace"] = min(max(grace, 0), 3600)
    return made


def _volumes(pod: Object, made: Pod, notes: Notes) -> set[str]:
    """The volumes that are taken over."""
    known = set()
    for each in maps_of(pod.get("volumes")):
        name = str(each.get("name", ""))
        place = f"spec.volumes.{name}"
        if "emptyDir" in each:
            size = map_of(each["emptyDir"]).get("sizeLimit")
            made.spec.setdefault("volumes", []).append(
                {"name": name, "type": "empty", **({"size": str(size)} if size else {})}
            )
            known.add(name)
        elif "hostPath" in each:
            notes.add(place, REFUSED, _("Folders of the node are not given to tenants."))
        elif "persistentVolumeClaim" in each:
            text = _("The claim %(name)s is not taken over: make it a StatefulSet with a claim of its own.")
            notes.add(
                place, REFUSED, text, name=str(map_of(each["persistentVolumeClaim"]).get("claimName", ""))
            )
        elif "configMap" in each or "secret" in each:
            notes.add(place, CHANGED, _("Put these files into the configuration of the application."))
        else:
            notes.add(place, IGNORED, _("Volumes of this kind are not taken over."))
    return known


def _container(
    each: Object, index: int, volumes: set[str], configs: Mapping[str, Object], pod: Pod, notes: Notes
) -> dict[str, Any]:
    place = f"spec.containers.{index}"
    made: dict[str, Any] = {"name": str(each.get("name", "")), "image": str(each.get("image", ""))}
    for key in ("command", "args"):
        if words := _words(each.get(key)):
            made[key] = words
    ports = [_port(port, number) for number, port in enumerate(maps_of(each.get("ports")))]
    if ports:
        made["ports"] = ports
    environment = _environment(each, configs, pod, notes, place)
    if environment:
        made["environment"] = environment
    resources = _resources(map_of(each.get("resources")))
    if resources:
        made["resources"] = resources
    numbers = {port["name"]: port["port"] for port in ports}
    probes = {
        name: _probe(map_of(each[f"{name}Probe"]), numbers)
        for name in ("startup", "readiness", "liveness")
        if each.get(f"{name}Probe")
    }
    if probes:
        made["probes"] = probes
    mounts = [
        {
            "volume": str(m["name"]),
            "path": str(m.get("mountPath", "")),
            "read_only": m.get("readOnly") is True,
        }
        for m in maps_of(each.get("volumeMounts"))
        if m.get("name") in volumes
    ]
    if mounts:
        made["mounts"] = mounts
    _refuse_powers(map_of(each.get("securityContext")), notes, place)
    return made


def _refuse_powers(security: Object, notes: Notes, place: str) -> None:
    if security.get("privileged"):
        notes.add(f"{place}.securityContext", REFUSED, _("It would be the node's administrator."))
    if map_of(security.get("capabilities")).get("add"):
        text = _("Added capabilities are refused in environments of tenants.")
        notes.add(f"{place}.securityContext", REFUSED, text)


def _port(port: Object, number: int) -> dict[str, Any]:
    name = str(port.get("name") or f"p{port.get('containerPort', number)}")
    return {"name": name, "port": port.get("containerPort"), "protocol": str(port.get("protocol", "TCP"))}


def _environment(
    each: Object, configs: Mapping[str, Object], pod: Pod, notes: Notes, place: str
) -> dict[str, str]:
    found: dict[str, str] = {}
    for source in maps_of(each.get("envFrom")):
        name = str(map_of(source.get("configMapRef")).get("name", ""))
        if name in configs:
            found |= {str(key): str(value) for key, value in configs[name].items()}
        else:
            text = _("Variables of %(name)s are not in the file: put them into the configuration.")
            secret = str(map_of(source.get("secretRef")).get("name", ""))
            notes.add(f"{place}.envFrom", CHANGED, text, name=name or secret)
    for variable in maps_of(each.get("env")):
        name, value = str(variable.get("name", "")), variable.get("value")
        reference = map_of(variable.get("valueFrom"))
        config = map_of(reference.get("configMapKeyRef"))
        if "valueFrom" not in variable:
            found[name] = "" if value is None else str(value)
        elif str(config.get("name")) in configs:
            found[name] = str(configs[str(config["name"])].get(str(config.get("key")), ""))
        elif "secretKeyRef" in reference:
            pod.secrets.append(name)
            notes.add(
                f"{place}.env.{name}",
                CHANGED,
                _("A secret: enter it in the configuration of the application."),
            )
        else:
            notes.add(
                f"{place}.env.{name}", IGNORED, _("Where its value comes from has no counterpart here.")
            )
    return found


def _resources(wanted: Object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in ("requests", "limits"):
        amounts = {
            key: str(value) for key, value in map_of(wanted.get(part)).items() if key in ("cpu", "memory")
        }
        if amounts:
            found[part] = amounts
    return found


def _probe(probe: Object, ports: Mapping[str, int]) -> dict[str, Any]:
    handler = next((key for key in _HANDLERS if key in probe), "tcpSocket")
    action = map_of(probe.get(handler))
    made: dict[str, Any] = {"type": _HANDLERS[handler]}
    if handler == "exec":
        made["command"] = _words(action.get("command"))
    else:
        port = action.get("port")
        made["port"] = ports.get(str(port), port)
    if handler == "httpGet":
        made["path"] = str(action.get("path") or "/")
    if handler == "grpc" and action.get("service"):
        made["service"] = str(action["service"])
    for ours, theirs in (
        ("period", "periodSeconds"),
        ("timeout", "timeoutSeconds"),
        ("delay", "initialDelaySeconds"),
        ("failures", "failureThreshold"),
        ("successes", "successThreshold"),
    ):
        if isinstance(probe.get(theirs), int):
            made[ours] = probe[theirs]
    return made


def _words(value: Any) -> list[str]:
    return [str(word) for word in value] if isinstance(value, list) else []


def _name(each: Object) -> str:
    return str(map_of(each.get("metadata")).get("name", ""))
