"""From anything somebody sent to a Spec: every field checked, every problem told with its path and remedy. Pure.

`parse(value)` answers the Spec or raises SpecInvalid with all problems at once, in the document's order. Unknown fields
are refused by name, because a misspelt "readyness" would otherwise be a probe that never was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from apps.errors import SpecInvalid
from apps.specs import spec as shape
from apps.specs.rules import cross_problems
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

T = TypeVar("T")

MOST_CONTAINERS, MOST_PORTS, MOST_KEYS, MOST_VOLUMES, MOST_WORDS = 10, 20, 200, 20, 100
LONGEST_TEXT = 4096
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?\Z")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,252}\Z")
_AMOUNT = re.compile(r"(\d{1,12}(\.\d{1,3})?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?\Z")
_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,510}\Z")


def parse(value: object) -> shape.Spec:
    """The Spec in `value`, a map as JSON or YAML gives it. Raises SpecInvalid."""
    reader = _Reader()
    found = reader.spec(value)
    problems = reader.problems or list(cross_problems(found))
    if problems:
        raise SpecInvalid(problems)
    return found


class _Reader:
    """Reads field by field and goes on after a problem, so that a person sees all of them at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def spec(self, value: object) -> shape.Spec:
        known = {
            "kind", "containers", "volumes", "service", "configuration", "run_as", "group", "grace", "scaling",
        }  # fmt: skip
        at = self.map(value, "", known)
        containers = self.each(at.get("containers"), "containers", self.container, MOST_CONTAINERS)
        if not containers:
            self.wrong(
                "containers", "empty", _("A release runs at least one container."), _("Name its image.")
            )
        group = at.get("group")
        return shape.Spec(
            kind=self.choice(at, "kind", "kind", shape.KINDS, "Deployment"),
            containers=containers or (shape.Container("none", "none"),),
            volumes=self.each(at.get("volumes"), "volumes", self.volume, MOST_VOLUMES),
            service=self.optional(at.get("service"), "service", self.service),
            configuration=self.optional(at.get("configuration"), "configuration", self.configuration),
            run_as=self.number(at, "run_as", "run_as", 1, 2**31 - 1, shape.DEFAULT_USER),
            group=None if group is None else self.number(at, "group", "group", 1, 2**31 - 1, 1),
            grace=self.number(at, "grace", "grace", 0, 3600, shape.DEFAULT_GRACE),
            scaling=self.optional(at.get("scaling"), "scaling", self.scaling),
        )

    def container(self, value: object, path: str) -> shape.Container:
        known = {"name", "image", "command", "args", "ports", "environment", "resources", "probes", "mounts"}
        at = self.map(value, path, known)
        return shape.Container(
            name=self.text(at, "name", f"{path}.name", _LABEL, _("Use small letters, digits and hyphens.")),
            image=self.text(
                at,
                "image",
                f"{path}.image",
                _IMAGE,
                _("Write it as registry/name:tag or registry/name@sha256:…."),
            ),
            command=self.words(at.get("command"), f"{path}.command"),
            args=self.words(at.get("args"), f"{path}.args"),
            ports=self.each(at.get("ports"), f"{path}.ports", self.port, MOST_PORTS),
            environment=self.variables(at.get("environment"), f"{path}.environment"),
            resources=self.resources(at.get("resources"), f"{path}.resources"),
            probes=self.probes(at.get("probes"), f"{path}.probes"),
            mounts=self.each(at.get("mounts"), f"{path}.mounts", self.mount, MOST_VOLUMES),
        )

    def port(self, value: object, path: str) -> shape.Port:
        at = self.map(value, path, {"name", "port", "protocol"})
        name = self.text(
            at, "name", f"{path}.name", _PORT_NAME, _("Use 1 to 15 small letters, digits and hyphens.")
        )
        number = self.number(at, "port", f"{path}.port", 1, 65535)
        return shape.Port(
            name, number, self.choice(at, "protocol", f"{path}.protocol", shape.PROTOCOLS, "TCP")
        )

    def probes(self, value: object, path: str) -> dict[str, shape.Probe]:
        at = self.map(value, path, set(shape.PROBE_NAMES))
        names = [name for name in shape.PROBE_NAMES if at.get(name) is not None]
        return {name: self.probe(at[name], f"{path}.{name}") for name in names}

    def probe(self, value: object, path: str) -> shape.Probe:
        known = {
            "type", "port", "path", "service", "command", "period", "timeout", "delay", "failures", "successes",
        }  # fmt: skip
        at = self.map(value, path, known)
        kind = self.choice(at, "type", f"{path}.type", shape.PROBE_TYPES, "")
        port = 0 if kind == "exec" else self.number(at, "port", f"{path}.port", 1, 65535)
        command = self.words(at.get("command"), f"{path}.command")
        if kind == "exec" and not command:
            self.wrong(f"{path}.command", "missing", _("A probe of type exec needs a command."), "")
        return shape.Probe(
            type=kind,
            port=port,
            path=self.plain(at, "path", f"{path}.path", "/") if kind == "http" else "",
            service=self.plain(at, "service", f"{path}.service", "") if kind == "grpc" else "",
            command=command if kind == "exec" else (),
            period=self.number(at, "period", f"{path}.period", 1, 3600, 10),
            timeout=self.number(at, "timeout", f"{path}.timeout", 1, 600, 1),
            delay=self.number(at, "delay", f"{path}.delay", 0, 3600, 0),
            failures=self.number(at, "failures", f"{path}.failures", 1, 1000, 3),
            successes=self.number(at, "successes", f"{path}.successes", 1, 100, 1),
        )

    def mount(self, value: object, path: str) -> shape.Mount:
        at = self.map(value, path, {"volume", "path", "read_only"})
        volume = self.text(at, "volume", f"{path}.volume", _LABEL, _("Name a volume of the release."))
        return shape.Mount(volume, self.folder(at, "path", f"{path}.path"), self.yes(at, "read_only", path))

    def volume(self, value: object, path: str) -> shape.Volume:
        at = self.map(value, path, {"name", "type", "size", "storage_class"})
        kind = self.choice(at, "type", f"{path}.type", shape.VOLUME_TYPES, "empty")
        size = self.amount(at, "size", f"{path}.size")
        if kind == "claim" and not size:
            self.wrong(f"{path}.size", "missing", _("A claim needs a size."), _("Write it as “1Gi”."))
        name = self.text(at, "name", f"{path}.name", _LABEL, _("Use small letters, digits and hyphens."))
        return shape.Volume(name, kind, size, self.plain(at, "storage_class", f"{path}.storage_class", ""))

    def service(self, value: object, path: str) -> shape.Service:
        at = self.map(value, path, {"ports", "headless"})
        ports = self.each(at.get("ports"), f"{path}.ports", self.service_port, MOST_PORTS)
        if not ports:
            self.wrong(f"{path}.ports", "empty", _("A Service has at least one port."), "")
        return shape.Service(ports, self.yes(at, "headless", path))

    def service_port(self, value: object, path: str) -> shape.ServicePort:
        at = self.map(value, path, {"name", "port", "target"})
        rule = _("Use 1 to 15 small letters, digits and hyphens.")
        name = self.text(at, "name", f"{path}.name", _PORT_NAME, rule)
        target = self.text({"target": name, **at}, "target", f"{path}.target", _PORT_NAME, rule)
        return shape.ServicePort(name, self.number(at, "port", f"{path}.port", 1, 65535), target)

    def configuration(self, value: object, path: str) -> shape.Configuration:
        at = self.map(value, path, {"environment", "path"})
        folder = self.folder(at, "path", f"{path}.path") if at.get("path") else ""
        return shape.Configuration(self.yes({"environment": True, **at}, "environment", path), folder)

    def scaling(self, value: object, path: str) -> shape.Scaling:
        at = self.map(value, path, {"min", "max"})
        least = self.number(at, "min", f"{path}.min", 0, 10_000, 1)
        most = self.number(at, "max", f"{path}.max", 1, 10_000, 10)
        if least > most:
            self.wrong(
                f"{path}.max",
                "below-min",
                _("At most %(max)s is less than at least %(min)s."),
                "",
                min=least,
                max=most,
            )
        return shape.Scaling(least, most)

    def resources(self, value: object, path: str) -> shape.Resources:
        at = self.map(value, path, {"requests", "limits"})
        return shape.Resources(
            self.amounts(at.get("requests"), f"{path}.requests"),
            self.amounts(at.get("limits"), f"{path}.limits"),
        )

    def amounts(self, value: object, path: str) -> dict[str, str]:
        at = self.map(value, path, {"cpu", "memory"})
        found = {name: self.amount(at, name, f"{path}.{name}") for name in ("cpu", "memory") if at.get(name)}
        return {name: text for name, text in found.items() if text}

    # --- the smallest parts -----------------------------------------------------------------------

    def wrong(self, path: str, code: str, text: str, fix: str, **facts: str | int) -> None:
        self.problems.append(Problem(path, code, text, fix, facts))

    def map(self, value: object, path: str, known: set[str]) -> Mapping[str, Any]:
        """The map at `path` ({} for nothing), without what nobody knows."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.wrong(path, "not-a-map", _("Here a map of fields is expected."), "")
            return {}
        for key in value:
            if key not in known:
                words = ", ".join(sorted(known))
                text, fix = _("“%(field)s” is not known here."), _("Known: %(known)s.")
                self.wrong(
                    _join(path, str(key)[:60]), "unknown-field", text, fix, field=str(key)[:60], known=words
                )
        return {str(key): each for key, each in value.items() if key in known}

    def each(self, value: object, path: str, read: Callable[[object, str], T], most: int) -> tuple[T, ...]:
        items = self.list(value, path, most)
        return tuple(read(item, f"{path}.{index}") for index, item in enumerate(items))

    def list(self, value: object, path: str, most: int) -> Iterable[object]:
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.wrong(path, "not-a-list", _("Here a list is expected."), "")
            return ()
        if len(value) > most:
            self.wrong(path, "too-many", _("At most %(most)s are possible here."), "", most=most)
            return ()
        return value

    def optional(self, value: object, path: str, read: Callable[[object, str], T]) -> T | None:
        return None if value is None else read(value, path)

    def text(self, at: Mapping[str, Any], key: str, path: str, rule: re.Pattern[str], fix: str) -> str:
        value = at.get(key)
        if value is None or value == "":
            self.wrong(path, "missing", _("This is needed."), fix)
        elif not isinstance(value, str) or not rule.match(value):
            self.wrong(path, "malformed", _("“%(value)s” cannot be used here."), fix, value=str(value)[:100])
        return value if isinstance(value, str) else ""

    def plain(self, at: Mapping[str, Any], key: str, path: str, default: str) -> str:
        value = at.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or _has_control(value):
            self.wrong(path, "malformed", _("Here a line of text is expected."), "")
            return default
        return value

    def folder(self, at: Mapping[str, Any], key: str, path: str) -> str:
        value = self.plain(at, key, path, "")
        if not value.startswith("/") or ".." in value.split("/") or ":" in value or value == "/":
            self.wrong(
                path, "malformed", _("Here the path of a folder is expected."), _("Write it as “/data”.")
            )
        return value.rstrip("/")

    def words(self, value: object, path: str) -> tuple[str, ...]:
        found = list(self.list(value, path, MOST_WORDS))
        for index, word in enumerate(found):
            if not isinstance(word, str) or len(word) > LONGEST_TEXT or "\0" in word:
                self.wrong(
                    f"{path}.{index}",
                    "malformed",
                    _("Here a word of the command is expected."),
                    _("Put numbers in quotes."),
                )
        return tuple(word for word in found if isinstance(word, str))

    def variables(self, value: object, path: str) -> dict[str, str]:
        if value is not None and not isinstance(value, Mapping):
            self.wrong(path, "not-a-map", _("Here a map of fields is expected."), "")
            return {}
        found = {}
        for key, text in list((value or {}).items())[: MOST_KEYS + 1]:
            where = _join(path, str(key)[:60])
            if not isinstance(key, str) or not _VARIABLE.match(key):
                self.wrong(
                    where,
                    "malformed",
                    _("This is no name of a variable."),
                    _("Use letters, digits and underscores."),
                )
            elif not isinstance(text, str) or len(text) > 32 * 1024 or "\0" in text:
                self.wrong(
                    where, "malformed", _("The value of a variable is a text."), _("Put numbers in quotes.")
                )
            else:
                found[key] = text
        if len(found) > MOST_KEYS:
            self.wrong(path, "too-many", _("At most %(most)s are possible here."), "", most=MOST_KEYS)
        return dict(sorted(found.items()))

    def number(
        self, at: Mapping[str, Any], key: str, path: str, least: int, most: int, default: int | None = None
    ) -> int:
        value: object = at.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            text, fix = _("Here a whole number is expected."), _("From %(least)s to %(most)s.")
            self.wrong(path, "not-a-number", text, fix, least=least, most=most)
            return least
        return value

    def choice(self, at: Mapping[str, Any], key: str, path: str, known: tuple[str, ...], default: str) -> str:
        value = at.get(key, default)
        if value not in known:
            text, fix = _("“%(value)s” is not known here."), _("Choose one of: %(known)s.")
            self.wrong(path, "unknown-value", text, fix, value=str(value)[:60], known=", ".join(known))
            return known[0]
        return str(value)

    def yes(self, at: Mapping[str, Any], key: str, path: str) -> bool:
        value = at.get(key, False)
        if not isinstance(value, bool):
            self.wrong(_join(path, key), "not-a-boolean", _("Here true or false is expected."), "")
        return value is True

    def amount(self, at: Mapping[str, Any], key: str, path: str) -> str:
        value = at.get(key)
        if value is None or value == "":
            return ""
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not _AMOUNT.match(text):
            fix = _("Write amounts as Kubernetes does: 250m, 1, 64Mi, 2Gi.")
            self.wrong(path, "malformed", _("“%(value)s” is no amount."), fix, value=str(value)[:60])
            return ""
        return text


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _has_control(text: str) -> bool:
    return any(ord(char) < 32 or ord(char) == 127 for char in text)
