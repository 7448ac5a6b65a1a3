"""What differs between an environment's objects as they should be and as they are, and who made it so. Pure.

`differences(wanted, found)` compares all but what the server and others may add (status, bookkeeping, further labels):
lists and maps must be equal, for an entry more in a rule opens a wall as well as one changed. Amounts are compared as
numbers ("1" and "1000m" are one). Nothing raises on odd content: odd content differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from clusters.manifests.fields import map_of
from clusters.observing.nodes import quantity
from kcloud_site.tenants.resources import Resources

Object = Mapping[str, Any]

MISSING, CHANGED = "missing", "changed"
# Maps from a resource's name to an amount.
_AMOUNTS = frozenset({"hard", "default", "defaultRequest"})
_OURS = "kcloud"
_LONGEST = 300


@dataclass(frozen=True)
class Difference:
    """One object that is not as it should be. `what` is MISSING or CHANGED; `where` the parts that differ
    ("spec.hard"), `wanted` and `found` those parts as text; `by` who changed it last, by the server's own notes
    ("kubectl-edit, 2026-11-27T10:00:00Z"), empty when it does not say."""

    kind: str
    name: str
    what: str
    where: str = ""
    wanted: str = ""
    found: str = ""
    by: str = ""

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def differences(wanted: Iterable[Object], found: Iterable[Object]) -> list[Difference]:
    """In the order of `wanted`; objects nobody asked for are left alone."""
    there = {key_of(each): each for each in found}
    compared = (_compare(each, there.get(key_of(each))) for each in wanted)
    return [each for each in compared if each is not None]


def key_of(obj: Object) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    metadata = map_of(obj.get("metadata"))
    return (str(obj.get("kind", "")), str(metadata.get("namespace", "")), str(metadata.get("name", "")))


def is_as_wanted(wanted: Object, found: Object) -> bool:
    """Whether one object is as it should be."""
    return _compare(wanted, found) is None


def used(quota: Object) -> Resources | None:
    """What a namespace uses by its ResourceQuota's own count; None while nothing was counted."""
    counted = map_of(map_of(quota.get("status")).get("used"))
    if not counted:
        return None

    def count(name: str) -> float:
        return quantity(counted.get(name, "0"))

    return Resources(
        cpu=round(count("requests.cpu") * 1000),
        memory=round(max(count("requests.memory"), count("limits.memory"))),
        storage=round(count("requests.storage")),
        pods=round(count("pods")),
        gpus=round(count("requests.nvidia.com/gpu")),
    )


def running_pods(pods: Iterable[Object]) -> int:
    """How many pods a quota counts: all that have not ended."""
    return sum(1 for pod in pods if map_of(pod.get("status")).get("phase") not in ("Succeeded", "Failed"))


def why_not_gone(namespace: Object) -> str:
    """What keeps a namespace from going, in Kubernetes' words; empty when it does not say."""
    conditions = map_of(namespace.get("status")).get("conditions")
    rows = [map_of(row) for row in conditions] if isinstance(conditions, list) else []
    said = [str(row.get("message", "")) for row in rows if row.get("status") == "True"]
    return " ".join(text for text in said if text)


def _compare(wanted: Object, found: Object | None) -> Difference | None:
    kind, _namespace, name = key_of(wanted)
    if found is None:
        return Difference(kind, name, MISSING)
    where = list(_differing(wanted, found))
    if not where:
        return None
    return Difference(
        kind,
        name,
        CHANGED,
        where=", ".join(path for path, _wanted, _found in where)[:_LONGEST],
        wanted="; ".join(_shown(each) for _path, each, _found in where)[:_LONGEST],
        found="; ".join(_shown(each) for _path, _wanted, each in where)[:_LONGEST],
        by=changed_by(found),
    )


def _differing(wanted: Object, found: Object) -> Iterable[tuple[str, Any, Any]]:
    has = map_of(map_of(found.get("metadata")).get("labels"))
    for label, value in map_of(map_of(wanted.get("metadata")).get("labels")).items():
        if has.get(label) != value:
            yield f"metadata.labels[{label}]", value, has.get(label)
    for key, value in wanted.items():
        if key not in ("apiVersion", "kind", "metadata"):
            yield from _parts(key, value, found.get(key))


def _parts(path: str, wanted: Any, found: Any) -> Iterable[tuple[str, Any, Any]]:
    """The smallest parts that differ, lists as a whole."""
    if _normal(wanted) == _normal(found):
        return
    if not (isinstance(wanted, Mapping) and isinstance(found, Mapping)):
        yield path, wanted, found
        return
    amounts = path.rsplit(".", 1)[-1] in _AMOUNTS
    for key in dict.fromkeys([*wanted, *found]):
        mine, theirs = wanted.get(key), found.get(key)
        if amounts and key in wanted and key in found and _amount(mine) == _amount(theirs):
            continue
        yield from _parts(f"{path}.{key}", mine, theirs)


def _normal(value: Any, amounts: bool = False) -> Any:
    """Without what means the same: amounts as numbers, no empty lists and nulls (the server leaves them out). An empty
    map stays: as a selector it means everything."""
    if isinstance(value, Mapping):
        kept = {key: _normal(each, key in _AMOUNTS) for key, each in value.items()}
        if amounts:
            kept = {key: _amount(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None and each != []}
    if isinstance(value, list):
        return [_normal(each) for each in value]
    return value


def _amount(value: Any) -> Any:
    """A number; what cannot be read stays as it is, and so differs."""
    if isinstance(value, bool):
        return str(value)  # to Python, True is 1
    if not isinstance(value, str | int | float):
        return value
    return quantity(value) or (0.0 if str(value).startswith("0") else value)


def changed_by(found: Object) -> str:
    """The last other hand on the object, by `managedFields`; status is the controllers' own business."""
    rows = map_of(found.get("metadata")).get("managedFields")
    others = [
        (str(row.get("time", "")), str(row.get("manager", "")))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping) and row.get("manager") != _OURS and not row.get("subresource")
    ]
    if not others:
        return ""
    time, manager = max(others)
    return ", ".join(part for part in (manager, time) if part)[:_LONGEST]


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
