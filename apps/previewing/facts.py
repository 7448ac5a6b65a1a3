"""What a preview is judged from: what should be there, what is, what the server would make of it, and the room. Pure.

Amounts are numbers: cores, bytes, pods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]
Key = tuple[str, str]


def key_of(obj: Object) -> Key:
    """An object by kind and name: all are in one namespace."""
    return str(obj.get("kind", "")), str(as_map(obj.get("metadata")).get("name", ""))


@dataclass(frozen=True)
class Refusal:
    """The server would not take the object: its own words, and what to do."""

    what: str
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Room:
    """One node: what is free of it, and what keeps pods from it."""

    name: str
    cpu: float
    memory: float
    pods: float
    ready: bool = True
    schedulable: bool = True
    taints: tuple[tuple[str, str], ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


THERE, ABSENT, FORBIDDEN, UNASKED = "there", "absent", "forbidden", "unasked"


@dataclass(frozen=True)
class ImageAnswer:
    """Whether an image can be pulled: THERE, ABSENT, FORBIDDEN, or UNASKED when nobody could say; and why."""

    image: str
    state: str
    why: str = ""


@dataclass(frozen=True)
class Configuration:
    """Of a release that reads one: whether any is published there, whether one is `chosen` to run with, and which of
    its keys other environments have and this one `lacking`."""

    published: bool
    chosen: bool
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Storage:
    """The storage classes of the cluster, which of them is the usual one, and the classes ("" for none) of volumes that
    are there and free."""

    classes: frozenset[str] = frozenset()
    default: str = ""
    unclaimed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Facts:
    """`answers`: of the dry run, by key. `nodes` and `storage` None: they could not be seen. `kept`: objects that stay
    although they are not wanted, because the way back needs them. `configuration` None: the release reads none."""

    wanted: tuple[Object, ...]
    found: Mapping[Key, Object]
    answers: Mapping[Key, Object | Refusal]
    strategy: str = "rolling"
    surge: str = "25%"
    unavailable: str = "0"
    quotas: tuple[Object, ...] = ()
    limits: tuple[Object, ...] = ()
    nodes: tuple[Room, ...] | None = None
    kept: frozenset[Key] = frozenset()
    images: tuple[ImageAnswer, ...] = ()
    configuration: Configuration | None = None
    storage: Storage | None = None


def as_map(value: Any) -> Mapping[str, Any]:
    """The map, or an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def as_maps(value: Any) -> list[Mapping[str, Any]]:
    """The maps of a list; nothing for anything else."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


def count(value: Any, default: int = 0) -> int:
    """A number of pods; `default` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
