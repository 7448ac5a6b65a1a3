"""What changed between two plans, as a list of (path, before, after). Pure.

A path is readable ("network.pod_cidr", "pools.workers.count"): pools go by name, so that a pool put in
front does not make all others look changed. `apply(old, difference(old, new))` is `new`, but for the order
of its pools. None as `before` or `after` means: not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clusters.planning.plan import PlanSpec, load, to_data

_SECTIONS = ("network", "storage", "maintenance_window")


@dataclass(frozen=True)
class Change:
    """One field that differs; `before` and `after` are JSON values."""

    path: str
    before: Any
    after: Any

    @property
    def sign(self) -> str:
        """How a diff marks it: "add", "del" or "change"."""
        if self.before is None:
            return "add"
        return "del" if self.after is None else "change"

    @property
    def before_text(self) -> str:
        """What it was, to be read."""
        return _text(self.before)

    @property
    def after_text(self) -> str:
        """What it is, to be read."""
        return _text(self.after)


def difference(old: PlanSpec | None, new: PlanSpec) -> list[Change]:
    """What was changed from `old` (None: nothing yet) to `new`, in the order of the plan's own fields."""
    before = _leaves(old) if old else {}
    after = _leaves(new)
    paths = [*after, *(path for path in before if path not in after)]
    return [
        Change(".".join(path), before.get(path), after.get(path))
        for path in sorted(paths, key=_place)
        if before.get(path) != after.get(path)
    ]


def apply(old: PlanSpec, changes: Iterable[Change]) -> PlanSpec:
    """The plan that `changes` make out of `old`."""
    leaves = _leaves(old)
    for change in changes:
        path = _split(change.path)
        if change.after is None:
            leaves.pop(path, None)
        else:
            leaves[path] = change.after
    return _plan(leaves)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value) or "–"
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(each)}" for key, each in value.items()) or "–"
    return str(value)


def _split(path: str) -> tuple[str, ...]:
    # A pool's name has no dots; neither has a field's.
    return tuple(path.split("."))


def _place(path: tuple[str, ...]) -> tuple[int, str]:
    fields = PlanSpec.__struct_fields__
    return (fields.index(path[0]), ".".join(path[1:]))


def _leaves(spec: PlanSpec) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name, value in to_data(spec).items():
        if name == "pools":
            for pool in value:
                found |= {("pools", pool["name"], key): each for key, each in pool.items() if key != "name"}
        elif name in _SECTIONS:
            found |= {(name, key): each for key, each in (value or {}).items()}
        else:
            found[(name,)] = value
    return found


def _plan(leaves: dict[tuple[str, ...], Any]) -> PlanSpec:
    data: dict[str, Any] = {}
    pools: dict[str, dict[str, Any]] = {}
    for path, value in leaves.items():
        if path[0] == "pools":
            pools.setdefault(path[1], {"name": path[1]})[path[2]] = value
        elif len(path) == 2:
            data.setdefault(path[0], {})[path[1]] = value
        else:
            data[path[0]] = value
    return load({**data, "pools": list(pools.values())})
