"""A release as the fields of a form. Pure.

`fields_of(spec)` takes apart what a form can show: the application's own container with its ports, variables, probes,
volumes and amounts. What it cannot show (further containers, a Service whose ports are called otherwise) stays in
`rest`, as it is, so that publishing through the fields loses nothing: apps.specs.written puts both together again.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.specs import reading
from apps.specs.spec import PROBE_NAMES, Spec, as_json

# The groups of rows that grow and shrink: what a row holds, and how many there may be.
ROWS: dict[str, tuple[str, ...]] = {
    "ports": ("name", "port", "protocol", "service"),
    "variables": ("name", "value"),
    "volumes": ("name", "type", "size", "storage_class", "path", "read_only"),
}
MOST_ROWS = {
    "ports": reading.MOST_PORTS,
    "variables": reading.MOST_KEYS,
    "volumes": reading.MOST_VOLUMES,
}
# What a row holds before anybody typed: choices that say nothing by themselves.
BLANK = {"protocol": "TCP", "type": "empty"}
NUMBERS = ("period", "timeout", "delay", "failures", "successes")
PROBE_PARTS = ("type", "port", "path", "service", "command", *NUMBERS)
_NEW_PROBE = {"type": "", "path": "/", "period": "10", "timeout": "1", "delay": "0", "failures": "3"}
SINGLE = (
    "kind",
    "container",
    "image",
    "command",
    "args",
    "headless",
    "cpu_request",
    "memory_request",
    "cpu_limit",
    "memory_limit",
    "config_environment",
    "config_path",
    "least",
    "most",
    "run_as",
    "group",
    "grace",
    *(f"{probe}-{part}" for probe in PROBE_NAMES for part in PROBE_PARTS),
)
YES = "on"

Row = dict[str, str]


@dataclass(frozen=True)
class Fields:
    """What stands in a form: `single` by name, `rows` by group, and in `rest` the parts of the release that have no
    field, by their name ("containers", "service", "volumes", "mounts", "configuration")."""

    single: Mapping[str, str]
    rows: Mapping[str, Sequence[Row]]
    rest: Mapping[str, Any] = field(default_factory=dict)

    def flat(self) -> dict[str, str]:
        """By the names of the form's inputs: "image", "ports-0-name", and "ports-rows" for how many there are."""
        values = dict(self.single)
        for group, rows in self.rows.items():
            values[f"{group}-rows"] = str(len(rows))
            for number, row in enumerate(rows):
                values |= {f"{group}-{number}-{key}": text for key, text in row.items()}
        return values

    def with_row(self, group: str) -> Fields:
        """One empty row more, as far as there may be."""
        rows = [*self.rows[group], blank_row(group)][: MOST_ROWS[group]]
        return Fields(self.single, {**self.rows, group: rows}, self.rest)

    def without_row(self, group: str, number: int) -> Fields:
        """One row less; nothing happens when there is none of that number."""
        rows = [row for at, row in enumerate(self.rows[group]) if at != number]
        return Fields(self.single, {**self.rows, group: rows}, self.rest)


def posted(data: Mapping[str, str], rest: Mapping[str, Any]) -> Fields:
    """What a browser sent, whatever it is: missing inputs are empty, and rows beyond the most are left out."""
    single = {name: _text(data, name) for name in SINGLE}
    rows = {
        group: [
            {key: _text(data, f"{group}-{number}-{key}") for key in keys}
            for number in range(rows_in(data, group))
        ]
        for group, keys in ROWS.items()
    }
    return Fields(single, rows, rest)


def rows_in(data: Mapping[str, str], group: str) -> int:
    """How many rows of a group were sent."""
    text = str(data.get(f"{group}-rows", ""))
    return min(int(text), MOST_ROWS[group]) if text.isascii() and text.isdecimal() and len(text) < 5 else 0


def blank_row(group: str) -> Row:
    return {key: BLANK.get(key, "") for key in ROWS[group]}


def is_blank(row: Mapping[str, str]) -> bool:
    """Whether nobody typed anything into it."""
    return all(not text.strip() or text == BLANK.get(key) for key, text in row.items())


def can_show(spec: Spec) -> bool:
    """Whether a browser would give every text back as it was: it makes one line end of a carriage return."""
    main = spec.main
    texts = [*main.command, *main.args, *main.environment.values()]
    texts += [word for probe in main.probes.values() for word in probe.command]
    return not any("\r" in text for text in texts)


def fields_of(spec: Spec) -> Fields:
    """The fields and the rest of a release that `can_show`."""
    stored = as_json(spec)
    main, *others = stored["containers"]
    rest: dict[str, Any] = {"containers": others} if others else {}
    ports, headless = _ports(main, stored, rest)
    single = {
        "kind": stored["kind"],
        "container": main["name"],
        "image": main["image"],
        "command": shlex.join(main["command"]),
        "args": shlex.join(main["args"]),
        "headless": headless,
        **_amounts(main["resources"]),
        **_configuration(stored["configuration"], rest),
        "least": str(stored["scaling"]["min"]) if stored["scaling"] else "",
        "most": str(stored["scaling"]["max"]) if stored["scaling"] else "",
        "run_as": str(stored["run_as"]),
        "group": "" if stored["group"] is None else str(stored["group"]),
        "grace": str(stored["grace"]),
    }
    for name in PROBE_NAMES:
        single |= {f"{name}-{key}": text for key, text in _probe(main["probes"].get(name)).items()}
    variables = [{"name": name, "value": text} for name, text in main["environment"].items()]
    rows = {"ports": ports, "variables": variables, "volumes": _volumes(main, stored, rest)}
    return Fields(single, rows, rest)


def service_of(rows: Sequence[Mapping[str, Any]], headless: bool) -> dict[str, Any] | None:
    """The Service that rows of ports ask for: each under the name of its port; None without any."""
    ports = [
        {"name": row["name"], "port": row["service"], "target": row["name"]}
        for row in rows
        if row["service"] != ""
    ]
    return {"ports": ports, "headless": headless} if ports or headless else None


def volumes_of(rows: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The volumes that rows ask for, and where the application sees each."""
    volumes = [{key: row[key] for key in ("name", "type", "size", "storage_class")} for row in rows]
    mounts = [
        {"volume": row["name"], "path": row["path"], "read_only": row["read_only"] == YES} for row in rows
    ]
    return volumes, mounts


def configuration_of(environment: str, path: str) -> dict[str, Any] | None:
    """How configuration reaches the application; None when it does not."""
    return {"environment": environment == YES, "path": path} if environment == YES or path else None


def _ports(main: dict[str, Any], stored: dict[str, Any], rest: dict[str, Any]) -> tuple[list[Row], str]:
    service = stored["service"]
    offered = {each["name"]: each["port"] for each in (service or {"ports": []})["ports"]}
    numbers = [{**each, "service": offered.get(each["name"], "")} for each in main["ports"]]
    headless = bool(service and service["headless"])
    if service_of(numbers, headless) != service:
        rest["service"] = service
        numbers, headless = [{**each, "service": ""} for each in main["ports"]], False
    rows = [{key: str(each[key]) for key in ROWS["ports"]} for each in numbers]
    return rows, YES if headless else ""


def _volumes(main: dict[str, Any], stored: dict[str, Any], rest: dict[str, Any]) -> list[Row]:
    seen = {each["volume"]: each for each in main["mounts"]}
    rows = []
    for volume in stored["volumes"]:
        mount = seen.get(volume["name"], {"path": "", "read_only": False})
        rows.append({**volume, "path": mount["path"], "read_only": YES if mount["read_only"] else ""})
    if volumes_of(rows) == (stored["volumes"], main["mounts"]):
        return rows
    rest["volumes"], rest["mounts"] = stored["volumes"], main["mounts"]
    return []


def _configuration(stored: dict[str, Any] | None, rest: dict[str, Any]) -> Row:
    environment = YES if stored and stored["environment"] else ""
    path = stored["path"] if stored else ""
    if configuration_of(environment, path) != stored:
        rest["configuration"] = stored
    return {"config_environment": environment, "config_path": path}


def _amounts(resources: dict[str, dict[str, str]]) -> Row:
    return {
        f"{what}_{kind}": resources[f"{kind}s"].get(what, "")
        for kind in ("request", "limit")
        for what in ("cpu", "memory")
    }


def _probe(stored: dict[str, Any] | None) -> Row:
    if stored is None:
        return {part: _NEW_PROBE.get(part, "") for part in PROBE_PARTS} | {"successes": "1"}
    texts = {part: str(stored[part]) for part in PROBE_PARTS}
    return texts | {"command": shlex.join(stored["command"]), "port": str(stored["port"] or "")}


def _text(data: Mapping[str, str], name: str) -> str:
    # A browser sends every line end as two characters.
    return str(data.get(name, "")).replace("\r\n", "\n")
