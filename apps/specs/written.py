"""From the fields of a form to a release's document, and from a problem back to its field. Pure.

Nothing is judged here but what the document could not hold: apps.specs.reading says what is wrong with the rest, and
`Written.field_of` finds the input a problem is about.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.specs.fields import (
    NUMBERS,
    YES,
    Fields,
    Row,
    configuration_of,
    is_blank,
    service_of,
    volumes_of,
)
from apps.specs.spec import PROBE_NAMES
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

_MAIN = "containers.0"
# As much of a variable's name as apps.specs.reading puts into a path.
_LONGEST_KEY = 60
_PARTS_OF_PROBES = {
    "http": ("port", "path"),
    "tcp": ("port",),
    "grpc": ("port", "service"),
    "exec": ("command",),
}


@dataclass
class Written:
    """A release's document, which field each of its places came from, and what could not be put into it (`problems`,
    whose paths are names of fields)."""

    document: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def field_of(self, path: str) -> str:
        """The field a problem's path is about, or the one that holds it; "" for what no field holds."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path.rpartition(".")[0]
        return ""


def written(fields: Fields) -> Written:
    """The document that `fields` ask for, with the rest as it was."""
    return _Writer(fields).whole()


class _Writer:
    def __init__(self, fields: Fields) -> None:
        self.single, self.rest = fields.single, fields.rest
        # Rows nobody typed into are no rows; each keeps the number it has on the page.
        self.rows = {
            group: [(number, row) for number, row in enumerate(rows) if not is_blank(row)]
            for group, rows in fields.rows.items()
        }
        self.made = Written()

    def whole(self) -> Written:
        volumes, mounts = self.volumes()
        container = {
            "name": self.take("container", f"{_MAIN}.name"),
            "image": self.take("image", f"{_MAIN}.image"),
            "command": self.words("command", f"{_MAIN}.command"),
            "args": self.words("args", f"{_MAIN}.args"),
            "ports": self.ports(),
            "environment": self.variables(),
            "resources": self.resources(),
            "probes": self.probes(),
            "mounts": mounts,
        }
        self.made.document = {
            "kind": self.take("kind", "kind"),
            "containers": [container, *self.rest.get("containers", [])],
            "volumes": volumes,
            "service": self.service(),
            "configuration": self.configuration(),
            "scaling": self.scaling(),
            **self.numbers({"run_as": "run_as", "group": "group", "grace": "grace"}, ""),
        }
        return self.made

    def take(self, name: str, path: str) -> str:
        self.made.places[path] = name
        return self.single[name].strip()

    def numbers(self, names: Mapping[str, str], prefix: str) -> dict[str, Any]:
        """{key: number} of the fields somebody filled; `names` is {key: field}."""
        found = {}
        for key, name in names.items():
            self.made.places[f"{prefix}{key}"] = name
            if self.single[name].strip():
                found[key] = _number(self.single[name])
        return found

    def words(self, name: str, path: str) -> list[str]:
        self.made.places[path] = name
        try:
            return shlex.split(self.single[name])
        except ValueError:
            text = _("A quote or a backslash is left open at the end.")
            fix = _("Close the quote, or put a backslash before what stands for itself.")
            self.made.problems.append(Problem(name, "quote", text, fix))
            return []

    def ports(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number, row in self.rows["ports"]:
            self.row_places(f"{_MAIN}.ports.{len(found)}", "ports", number, ("name", "port", "protocol"))
            port = {"port": _number(row["port"])} if row["port"].strip() else {}
            found.append({"name": row["name"].strip(), **port, "protocol": row["protocol"]})
        return found

    def row_places(self, path: str, group: str, number: int, keys: tuple[str, ...]) -> None:
        for key in keys:
            self.made.places[f"{path}.{key}"] = f"{group}-{number}-{key}"

    def service(self) -> Any:
        if "service" in self.rest:
            return self.rest["service"]
        self.made.places["service"] = "headless"
        offered = [(number, row) for number, row in self.rows["ports"] if row["service"].strip()]
        for index, (number, _row) in enumerate(offered):
            path = f"service.ports.{index}"
            self.made.places[path] = f"ports-{number}-name"
            self.made.places[f"{path}.port"] = f"ports-{number}-service"
        rows = [{"name": row["name"].strip(), "service": _number(row["service"])} for _at, row in offered]
        return service_of(rows, self.single["headless"] == YES)

    def volumes(self) -> tuple[Any, Any]:
        if "volumes" in self.rest:
            return self.rest["volumes"], self.rest["mounts"]
        rows: list[Row] = []
        for number, row in self.rows["volumes"]:
            self.row_places(
                f"volumes.{len(rows)}", "volumes", number, ("name", "type", "size", "storage_class")
            )
            mount = f"{_MAIN}.mounts.{len(rows)}"
            self.made.places[f"{mount}.volume"] = f"volumes-{number}-name"
            self.made.places[f"{mount}.path"] = f"volumes-{number}-path"
            trimmed = {key: row[key].strip() for key in ("name", "size")}
            rows.append({**row, **trimmed})
        return volumes_of(rows)

    def variables(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, row in self.rows["variables"]:
            name, at = row["name"].strip(), f"variables-{number}-name"
            self.made.places[f"{_MAIN}.environment.{name[:_LONGEST_KEY]}"] = at
            if name in found:
                text, fix = _("The name “%(name)s” is there twice."), _("Give each its own name.")
                self.made.problems.append(Problem(at, "twice", text, fix, {"name": name[:_LONGEST_KEY]}))
            found[name] = row["value"]
        return found

    def resources(self) -> dict[str, dict[str, str]]:
        made: dict[str, dict[str, str]] = {"requests": {}, "limits": {}}
        for kind in ("request", "limit"):
            for what in ("cpu", "memory"):
                text = self.take(f"{what}_{kind}", f"{_MAIN}.resources.{kind}s.{what}")
                made[f"{kind}s"] |= {what: text} if text else {}
        return made

    def probes(self) -> dict[str, dict[str, Any]]:
        return {name: self.probe(name) for name in PROBE_NAMES if self.single[f"{name}-type"]}

    def probe(self, name: str) -> dict[str, Any]:
        path = f"{_MAIN}.probes.{name}"
        kind = self.take(f"{name}-type", f"{path}.type")
        self.made.places[path] = f"{name}-type"
        made: dict[str, Any] = {"type": kind}
        parts = _PARTS_OF_PROBES.get(kind, ())
        if "port" in parts:
            made |= self.probe_port(name, path)
        if "command" in parts:
            made["command"] = self.words(f"{name}-command", f"{path}.command")
        for part in {"path", "service"} & set(parts):
            self.made.places[f"{path}.{part}"] = f"{name}-{part}"
            made[part] = self.single[f"{name}-{part}"]
        return made | self.numbers({part: f"{name}-{part}" for part in NUMBERS}, f"{path}.")

    def probe_port(self, name: str, path: str) -> dict[str, Any]:
        """Left empty it is the first port of the application."""
        found = self.numbers({"port": f"{name}-port"}, f"{path}.")
        first = next((row["port"] for _at, row in self.rows["ports"] if row["port"].strip()), "")
        return found or ({"port": _number(first)} if first else {})

    def configuration(self) -> Any:
        if "configuration" in self.rest:
            return self.rest["configuration"]
        self.made.places |= {"configuration": "config_environment", "configuration.path": "config_path"}
        return configuration_of(self.single["config_environment"], self.single["config_path"])

    def scaling(self) -> dict[str, Any] | None:
        return self.numbers({"min": "least", "max": "most"}, "scaling.") or None


def _number(text: str) -> int | str:
    """The number; or the text, so that the reader of releases refuses it in its place."""
    trimmed = text.strip()
    return int(trimmed) if trimmed.isascii() and trimmed.isdecimal() and len(trimmed) < 15 else trimmed
