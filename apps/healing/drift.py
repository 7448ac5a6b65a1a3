"""Whether an application's objects are still what was applied. Pure.

A cluster adds much to what it is given (defaults, status, bookkeeping), so only what was asked for is compared: every
value that should be there is, and lists have no entry more or less. Amounts are compared as numbers. Keys of a
ConfigMap are all ours: one more is a difference. Content of Secrets is never shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clusters.manifests.fields import map_of
from clusters.observing.environments import CHANGED, MISSING, Difference, changed_by, key_of
from clusters.observing.nodes import quantity

Object = Mapping[str, Any]
_AMOUNTS = frozenset({"requests", "limits", "sizeLimit"})
_WHOLE = frozenset({"data", "binaryData", "selector", "matchLabels"})
_LONGEST = 300
_HIDDEN = "…"


def differences(wanted: Iterable[Object], found: Iterable[Object]) -> list[Difference]:
    """In the order of `wanted`; objects nobody asked for are left alone."""
    there = {key_of(each): each for each in found}
    compared = (_compare(each, there.get(key_of(each))) for each in wanted)
    return [each for each in compared if each is not None]


def _compare(wanted: Object, found: Object | None) -> Difference | None:
    kind, _namespace, name = key_of(wanted)
    if found is None:
        return Difference(kind, name, MISSING)
    where = list(_object(wanted, found))
    if not where:
        return None
    hidden = kind == "Secret"
    return Difference(
        kind,
        name,
        CHANGED,
        where=", ".join(place for place, _wanted, _found in where)[:_LONGEST],
        wanted=_HIDDEN if hidden else "; ".join(_shown(each) for _place, each, _found in where)[:_LONGEST],
        found=_HIDDEN if hidden else "; ".join(_shown(each) for _place, _wanted, each in where)[:_LONGEST],
        by=changed_by(found),
    )


def _object(wanted: Object, found: Object) -> Iterator[tuple[str, Any, Any]]:
    labels = map_of(map_of(found.get("metadata")).get("labels"))
    for label, value in map_of(map_of(wanted.get("metadata")).get("labels")).items():
        if labels.get(label) != value:
            yield f"metadata.labels[{label}]", value, labels.get(label)
    for key, value in wanted.items():
        # What was given as text is kept as bytes: never seen again under its own name.
        if key not in ("apiVersion", "kind", "metadata", "status", "stringData"):
            yield from _parts(key, value, found.get(key))


def _parts(place: str, wanted: Any, found: Any) -> Iterator[tuple[str, Any, Any]]:
    name = place.rsplit(".", 1)[-1]
    if _is_nothing(wanted) and _is_nothing(found):
        return
    if isinstance(wanted, Mapping):
        yield from (_amounts if name in _AMOUNTS else _keys)(place, wanted, map_of(found))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (mine, theirs) in enumerate(zip(wanted, found, strict=True)):
            yield from _parts(f"{place}[{number}]", mine, theirs)
    elif wanted != found:
        yield place, wanted, found


def _keys(place: str, wanted: Object, found: Object) -> Iterator[tuple[str, Any, Any]]:
    for key, value in wanted.items():
        yield from _parts(f"{place}.{key}", value, found.get(key))
    if place.rsplit(".", 1)[-1] in _WHOLE:
        yield from ((f"{place}.{key}", None, found[key]) for key in found if key not in wanted)


def _amounts(place: str, wanted: Object, found: Object) -> Iterator[tuple[str, Any, Any]]:
    for key, value in wanted.items():
        if quantity(value) != quantity(found.get(key, "")):
            yield f"{place}.{key}", value, found.get(key)


def _is_nothing(value: Any) -> bool:
    """What a server leaves out: nothing, an empty text, list or map, no."""
    return value is None or value is False or value == "" or value == [] or value == {}


def _shown(value: Any) -> str:
    return "–" if value is None else str(value)
