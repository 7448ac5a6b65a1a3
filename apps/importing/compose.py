"""A Compose file as applications: one for each service. Pure.

The Compose specification is large and made for one machine; what has a counterpart here is taken, what has none is
noted with the reason. Unknown keys are never dropped in silence.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from apps.importing.compose_values import amount, filled, seconds, short_name
from apps.importing.outcome import CHANGED, IGNORED, REFUSED, TAKEN, Candidate, Notes, Understood
from clusters.problems import gettext_noop as _

Service = Mapping[str, Any]
# Why a key of a service has no counterpart.
_WITHOUT = {
    "restart": _("Kubernetes restarts what ends by itself."),
    "depends_on": _("Everything starts at once and tries again until what it needs is there."),
    "container_name": _("Pods get names of their own."),
    "hostname": _("Others reach it by the application's name."),
    "networks": _("All applications of an environment reach each other, and nobody else does."),
    "labels": _("Labels of Compose mean nothing to Kubernetes."),
    "logging": _("Logs go to the portal."),
    "stdin_open": _("Nothing reads from a terminal."),
    "tty": _("Nothing reads from a terminal."),
    "init": _("The container's first process gets the signals."),
    "pull_policy": _("The image is fixed by its digest."),
    "profiles": _("Choose below which applications are imported."),
    "platform": _("The cluster's nodes say what they can run."),
}
_MUST_NOT = {
    "privileged": _("It would be the node's administrator."),
    "cap_add": _("Added capabilities are refused in environments of tenants."),
    "devices": _("Devices of the node are not given to tenants."),
    "network_mode": _("The node's network is not given to tenants."),
    "pid": _("The node's processes are not shown to tenants."),
    "ipc": _("The node's memory is not shown to tenants."),
    "userns_mode": _("The node's users are not given to tenants."),
}
# Whole numbers that fit anywhere; more digits are no port and no user.
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_ADDRESS = r"(?:(?:\d+\.\d+\.\d+\.\d+|\[[^\]]*\]):)?"
_PORT = re.compile(_ADDRESS + r"(?:(\d+)(?:-\d+)?:)?(\d+)(?:-\d+)?(?:/(tcp|udp))?\Z")


def read(data: object) -> Understood:
    """`data`: the file's one document."""
    notes = Notes()
    services = data.get("services") if isinstance(data, Mapping) else None
    if not isinstance(services, Mapping) or not services:
        notes.add("services", REFUSED, _("The file has no services."))
        return Understood((), tuple(notes.kept))
    assert isinstance(data, Mapping)
    named = data.get("volumes")
    volumes = {str(name) for name in named} if isinstance(named, Mapping) else set()
    for key in data:
        if key not in ("services", "volumes", "version", "name", "networks") and not str(key).startswith(
            "x-"
        ):
            notes.add(str(key), IGNORED, _("This part of the file is not taken over."))
    made = tuple(_Reader(str(name), service, volumes).candidate() for name, service in services.items())
    return Understood(made, tuple(notes.kept))


class _Reader:
    """One service."""

    def __init__(self, name: str, service: object, volumes: set[str]) -> None:
        self.name = short_name(name)
        self.notes = Notes(f"services.{name}")
        self.service: Service = service if isinstance(service, Mapping) else {}
        self.named_volumes = volumes
        self.container: dict[str, Any] = {"name": self.name, "image": ""}
        self.spec: dict[str, Any] = {"kind": "Deployment", "containers": [self.container]}
        self.replicas = 1
        if self.name != name:
            self.notes.add("", CHANGED, _("It is called %(name)s here."), name=self.name)

    def candidate(self) -> Candidate:
        for key, value in self.service.items():
            self._key(str(key), value)
        if not self.container["image"]:
            self.notes.add("image", REFUSED, _("It names no image. Build it, push it, and name it here."))
        return Candidate(self.name, self.spec, self.replicas, tuple(self.notes.kept))

    def _key(self, key: str, value: Any) -> None:
        known: dict[str, Callable[[Any], None]] = {
            "image": self._image,
            "command": lambda each: self._words("args", each),
            "entrypoint": lambda each: self._words("command", each),
            "environment": self._environment,
            "ports": self._ports,
            "expose": self._ports,
            "volumes": self._volumes,
            "tmpfs": self._tmpfs,
            "user": self._user,
            "deploy": self._deploy,
            "healthcheck": self._healthcheck,
            "stop_grace_period": self._grace,
            "mem_limit": lambda each: self._limit("memory", each),
            "cpus": lambda each: self._limit("cpu", each),
            "build": self._build,
        }
        if key in known:
            known[key](value)
        elif key in _MUST_NOT:
            if value not in (False, None, [], "", "bridge", "private"):
                self.notes.add(key, REFUSED, _MUST_NOT[key])
        elif key in _WITHOUT:
            self.notes.add(key, IGNORED, _WITHOUT[key])
        elif not key.startswith("x-"):
            self.notes.add(key, IGNORED, _("This has no counterpart here."))

    def _image(self, value: Any) -> None:
        text, missing = filled(str(value))
        self._missing("image", missing)
        self.container["image"] = text
        self.notes.add("image", TAKEN, _("Image %(image)s."), image=text)

    def _build(self, value: Any) -> None:
        if not self.service.get("image"):
            self.notes.add("build", REFUSED, _("Images are not built here: build it, push it, and name it."))
        else:
            self.notes.add("build", IGNORED, _("Images are not built here; the named one is taken."))

    def _words(self, field: str, value: Any) -> None:
        try:
            words = shlex.split(value) if isinstance(value, str) else [str(each) for each in value or []]
        except (ValueError, TypeError):
            self.notes.add(field, REFUSED, _("The command cannot be read."))
            return
        made = [filled(word) for word in words]
        self._missing(field, [name for _text, names in made for name in names])
        self.container[field] = [text for text, _names in made]

    def _environment(self, value: Any) -> None:
        pairs = value.items() if isinstance(value, Mapping) else _pairs(value)
        found = {}
        for name, text in pairs:
            if text is None:
                place = f"environment.{name}"
                self.notes.add(place, CHANGED, _("Its value is not in the file: it is empty here."))
            filled_in, missing = filled("" if text is None else _text(text))
            self._missing(f"environment.{name}", missing)
            found[str(name)] = filled_in
        if found:
            self.container["environment"] = found
            self.notes.add("environment", TAKEN, _("%(count)s variables."), count=len(found))

    def _ports(self, value: Any) -> None:
        ports: list[dict[str, Any]] = self.container.setdefault("ports", [])
        service: list[dict[str, Any]] = self.spec.setdefault("service", {"ports": []})["ports"]
        for index, each in enumerate(value if isinstance(value, list) else []):
            found = _port(each)
            if found is None:
                self.notes.add(f"ports.{index}", REFUSED, _("This port cannot be read."))
                continue
            published, target, protocol = found
            if any((port["port"], port["protocol"]) == (target, protocol) for port in ports):
                continue
            name = f"p{target}" if protocol == "TCP" else f"u{target}"
            ports.append({"name": name, "port": target, "protocol": protocol})
            service.append({"name": name, "port": target, "target": name})
            if published:
                text = _(
                    "Inside the environment it is reached on %(port)s; an outside port %(published)s is not opened."
                )
                self.notes.add(f"ports.{index}", CHANGED, text, port=target, published=published)
        if not ports:
            self.container.pop("ports", None)
            self.spec.pop("service", None)

    def _volumes(self, value: Any) -> None:
        for index, each in enumerate(value if isinstance(value, list) else []):
            source, target, read_only = _mount(each)
            place = f"volumes.{index}"
            if not target:
                self._volume(f"data-{index}", source, "empty", read_only)
                self.notes.add(place, CHANGED, _("A volume without a name lives as long as the pod."))
            elif source in self.named_volumes:
                self.spec["kind"] = "StatefulSet"
                self._volume(short_name(source), target, "claim", read_only)
                self.notes.add(
                    place, CHANGED, _("Volume %(name)s becomes a claim of 1Gi for each pod."), name=source
                )
            else:
                text = _(
                    "%(path)s is a folder of one machine. Put its files into the configuration or the image."
                )
                self.notes.add(place, REFUSED, text, path=source[:100])

    def _tmpfs(self, value: Any) -> None:
        places = [value] if isinstance(value, str) else value
        for index, each in enumerate(places if isinstance(places, list) else []):
            self._volume(f"tmp-{index}", str(each).partition(":")[0], "empty", False)

    def _volume(self, name: str, path: str, kind: str, read_only: bool) -> None:
        size = {"size": "1Gi"} if kind == "claim" else {}
        volumes = self.spec.setdefault("volumes", [])
        if all(each["name"] != name for each in volumes):
            volumes.append({"name": name, "type": kind, **size})
        self.container.setdefault("mounts", []).append({"volume": name, "path": path, "read_only": read_only})

    def _user(self, value: Any) -> None:
        number, _colon, group = str(value).partition(":")
        if not _NUMBER.match(number) or int(number) == 0:
            text = _("It runs as user 10001: environments of tenants want a number that is not root's.")
            self.notes.add("user", CHANGED, text)
            return
        self.spec["run_as"] = int(number)
        if _NUMBER.match(group) and int(group):
            self.spec["group"] = int(group)

    def _deploy(self, value: Any) -> None:
        deploy = value if isinstance(value, Mapping) else {}
        replicas = deploy.get("replicas")
        if isinstance(replicas, int) and not isinstance(replicas, bool) and 0 <= replicas <= 1000:
            self.replicas = replicas
        wanted = deploy.get("resources")
        wanted = wanted if isinstance(wanted, Mapping) else {}
        for ours, theirs in (("limits", "limits"), ("requests", "reservations")):
            part = wanted.get(theirs)
            for key, field in (("cpus", "cpu"), ("memory", "memory")):
                if isinstance(part, Mapping) and key in part:
                    self._limit(field, part[key], ours)
        for key in deploy:
            if key not in ("replicas", "resources"):
                self.notes.add(
                    f"deploy.{key}", IGNORED, _("How it is deployed is chosen at each deployment.")
                )

    def _limit(self, field: str, value: Any, part: str = "limits") -> None:
        text = amount(field, value)
        if text:
            self.container.setdefault("resources", {}).setdefault(part, {})[field] = text
        else:
            self.notes.add(field, IGNORED, _("“%(value)s” is no amount."), value=str(value)[:60])

    def _healthcheck(self, value: Any) -> None:
        check = value if isinstance(value, Mapping) else {}
        test = check.get("test")
        if check.get("disable") or not test or test == ["NONE"] or not isinstance(test, str | list):
            return
        if isinstance(test, str):
            command = ["/bin/sh", "-c", test]
        elif test and test[0] == "CMD-SHELL":
            command = ["/bin/sh", "-c", " ".join(str(each) for each in test[1:])]
        else:
            command = [str(each) for each in test[1:]]
        probe: dict[str, Any] = {
            "type": "exec",
            "command": command,
            "period": seconds(check.get("interval"), 30),
            "timeout": seconds(check.get("timeout"), 30),
            "failures": check.get("retries") if isinstance(check.get("retries"), int) else 3,
        }
        self.container["probes"] = {"readiness": probe}
        start = seconds(check.get("start_period"), 0)
        if start:
            tries = max(1, -(-start // int(probe["period"])))
            self.container["probes"]["startup"] = {**probe, "failures": tries + int(probe["failures"])}
        self.notes.add("healthcheck", TAKEN, _("It becomes the readiness probe."))

    def _grace(self, value: Any) -> None:
        self.spec["grace"] = min(seconds(value, 10), 3600)

    def _missing(self, place: str, names: list[str]) -> None:
        for name in names:
            self.notes.add(
                place, CHANGED, _("${%(name)s} has no value in the file: it is empty here."), name=name
            )


def _pairs(value: Any) -> list[tuple[str, str | None]]:
    found = []
    for each in value if isinstance(value, list) else []:
        name, equals, text = str(each).partition("=")
        found.append((name, text if equals else None))
    return found


def _text(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _port(value: Any) -> tuple[str, int, str] | None:
    """Published (or ""), target, protocol."""
    if isinstance(value, Mapping):
        target, protocol = str(value.get("target", "")), str(value.get("protocol", "tcp")).upper()
        published = str(value.get("published", ""))
    else:
        found = _PORT.match(str(value))
        if found is None:
            return None
        published, target, protocol = found[1] or "", found[2], (found[3] or "tcp").upper()
    if not _NUMBER.match(target) or not 0 < int(target) < 65536 or protocol not in ("TCP", "UDP"):
        return None
    return published, int(target), protocol


def _mount(value: Any) -> tuple[str, str, bool]:
    """Source, target ("" for a volume without a name, whose path is then the source), and whether only to be read."""
    if isinstance(value, Mapping):
        return str(value.get("source", "")), str(value.get("target", "")), value.get("read_only") is True
    parts = str(value).split(":")
    if len(parts) == 1:
        return parts[0], "", False
    return parts[0], parts[1], "ro" in parts[2:]
