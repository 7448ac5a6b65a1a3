"""The shape of a cluster plan, and the arithmetic about it. Pure: no Django, no I/O.

`PlanSpec` is what a PlanRevision stores as JSON; `parse(data)` is the only way in and raises PlanInvalid
with every problem found, each naming its field (a path as in "network.pod_cidr") and the remedy. Shapes are
looked at first (types, unknown and missing fields); only a well-formed plan is held against the rules
(clusters.planning.rules).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from clusters.planning.names import shown
from clusters.planning.placement import resolve_pools
from clusters.planning.rules import problems_of, worker_count
from clusters.problems import PlanInvalid, Problem
from clusters.problems import gettext_noop as _

__all__ = [
    "MaintenanceWindow",
    "Network",
    "PlanInvalid",
    "PlanSpec",
    "Pool",
    "Problem",
    "Storage",
    "Taint",
    "frozen_problems",
    "load",
    "parse",
    "resolve_pools",
    "to_data",
    "worker_count",
]


class Taint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named group of workers: hosts by name, or `count` of the region's spare hosts (resolved at
    deployment).
    """

    name: str
    hosts: tuple[str, ...] = ()
    count: int = 0
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    dns_domain: str = "cluster.local"
    node_ports: str = "30000-32767"
    proxy_mode: str = "iptables"  # or "nftables"


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default_class: str = "none"  # or "local": local volumes, bound when first used


class MaintenanceWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weekly: day 0 is Monday; start "HH:MM" in `time_zone`; `hours` long."""

    day: int = 6
    start: str = "02:00"
    hours: int = 4
    time_zone: str = "UTC"


class PlanSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    region: str
    version: str  # "1.34.4"
    masters: tuple[str, ...]  # host names; 1 or 3
    pools: tuple[Pool, ...] = ()
    network: Network = Network()
    storage: Storage = Storage()
    runtime: str = "containerd"
    addons: tuple[str, ...] = ("coredns",)
    maintenance_window: MaintenanceWindow | None = None


def parse(data: object) -> PlanSpec:
    """The plan in `data` (what JSON or YAML gives), checked; raises PlanInvalid with all that is wrong with
    it.
    """
    problems = list(_shape_problems(PlanSpec, data, ""))
    if problems:
        raise PlanInvalid(problems)
    spec = msgspec.convert(data, PlanSpec)
    problems = problems_of(spec)
    if problems:
        raise PlanInvalid(problems)
    return spec


def load(data: Mapping[str, Any]) -> PlanSpec:
    """The plan of a stored revision: right when it was saved, so not held against today's rules."""
    return msgspec.convert(data, PlanSpec)


def to_data(spec: PlanSpec) -> dict[str, Any]:
    """The plan as plain JSON values; parse(to_data(spec)) == spec."""
    data: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec))
    return data


def frozen_problems(old: PlanSpec, new: PlanSpec) -> list[Problem]:
    """What may not change any more once the cluster runs: it is built into certificates, addresses and the
    store.
    """
    pairs = (
        ("region", old.region, new.region),
        ("version", old.version, new.version),
        ("masters", sorted(old.masters), sorted(new.masters)),
        ("network.pod_cidr", old.network.pod_cidr, new.network.pod_cidr),
        ("network.service_cidr", old.network.service_cidr, new.network.service_cidr),
        ("network.dns_domain", old.network.dns_domain, new.network.dns_domain),
    )
    return [
        Problem(
            path,
            "frozen",
            _("The cluster runs with %(old)s, and that cannot change by editing the plan."),
            _("Keep %(old)s, or plan a new cluster."),
            {"old": _in_words(before)},
        )
        for path, before, after in pairs
        if before != after
    ]


def _in_words(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _shape_problems(shape: type[msgspec.Struct], data: object, path: str) -> Iterator[Problem]:
    """What keeps `data` from being a `shape`: every field looked at, so that all is said at once."""
    if not isinstance(data, dict):
        yield Problem(path, "shape", _("Here must be named fields."), _("Write one “field: value” per line."))
        return
    fields = {field.name: field for field in msgspec.structs.fields(shape)}
    for key in data:
        if key not in fields:
            yield Problem(
                _under(path, shown(str(key))),
                "unknown",
                _("There is no field “%(field)s” here."),
                _("Known fields: %(known)s."),
                {"field": shown(str(key)), "known": ", ".join(fields)},
            )
    for name, field in fields.items():
        if name in data:
            yield from _value_problems(field.type, data[name], _under(path, name))
        elif field.required:
            yield Problem(_under(path, name), "required", _("This field is missing."), _("Add it."))


def _value_problems(kind: Any, value: object, path: str) -> Iterator[Problem]:
    inner = _struct_in(kind)
    if inner is None or value is None:
        problem = _type_problem(kind, value, path)
        if problem:
            yield problem
    elif kind in (inner, inner | None):
        yield from _shape_problems(inner, value, path)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from _shape_problems(inner, each, f"{path}.{index}")
    else:
        yield Problem(path, "shape", _("Here must be a list."), _("Begin each entry with a hyphen."))


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The struct a field's type is, or is a list of, or may be."""
    candidates = (kind, *getattr(kind, "__args__", ()))
    return next(
        (each for each in candidates if isinstance(each, type) and issubclass(each, msgspec.Struct)), None
    )


def _type_problem(kind: Any, value: object, path: str) -> Problem | None:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        return Problem(
            path,
            "type",
            _("The value has the wrong type: %(why)s."),
            _("Correct it."),
            {"why": shown(str(error), 120)},
        )
    return None


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
