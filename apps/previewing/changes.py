"""What becomes of each object: the server's answer compared with what is there, without its own bookkeeping. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from apps.previewing.facts import Facts, Key, Object, Refusal, as_map, key_of
from apps.previewing.report import CHANGE, CREATE, DELETE, REFUSED, SAME, FieldChange, ObjectChange
from apps.specs.comparing import differences

_MOST_FIELDS = 60
_OF_THE_SERVER = (
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "selfLink",
    "ownerReferences",
    "finalizers",
)
_HIDDEN = "•••"
# Written by controllers; they change them by themselves.
_REVISION = "deployment.kubernetes.io/revision"


def object_changes(facts: Facts) -> tuple[ObjectChange, ...]:
    """In the order they would be applied; what goes comes last."""
    made = [_change(each, facts) for each in facts.wanted]
    wanted = {key_of(each) for each in facts.wanted}
    gone = [key for key in facts.found if key not in wanted and key not in facts.kept]
    return (*made, *(ObjectChange(kind, name, DELETE) for kind, name in sorted(gone)))


def fields_of(before: Object | None, after: Object | None, path: str = "") -> tuple[FieldChange, ...]:
    """Every field that differs, but what only the server writes."""
    found = differences(_plain(before), _plain(after), path)
    return tuple(FieldChange(each.path, each.before, each.after) for each in found[:_MOST_FIELDS])


def template_of(obj: Object | Refusal | None) -> Mapping[str, Any]:
    """The pod template of a Deployment or StatefulSet."""
    return as_map(as_map(as_map(obj).get("spec")).get("template"))


def _change(wanted: Object, facts: Facts) -> ObjectChange:
    key = kind, name = key_of(wanted)
    answer, found = facts.answers.get(key), facts.found.get(key)
    if isinstance(answer, Refusal):
        words = " ".join(part for part in (answer.what, answer.why) if part)
        return ObjectChange(kind, name, REFUSED, why=words)
    if found is None:
        return ObjectChange(kind, name, CREATE)
    fields = fields_of(found, answer if answer is not None else wanted)
    if kind == "Secret":
        fields = tuple(_masked(fields))
    return ObjectChange(kind, name, CHANGE if fields else SAME, fields)


def _masked(fields: Iterable[FieldChange]) -> Iterable[FieldChange]:
    """Which keys of a Secret change, never their values."""
    for each in fields:
        hidden = [None if value is None else _HIDDEN for value in (each.before, each.after)]
        yield FieldChange(each.path, *hidden)


def _plain(obj: Object | None) -> Any:
    if obj is None:
        return None
    made = copy.deepcopy({name: value for name, value in obj.items() if name not in ("status", "apiVersion")})
    metadata = as_map(made.get("metadata"))
    kept = {name: value for name, value in metadata.items() if name not in _OF_THE_SERVER}
    notes = {name: value for name, value in as_map(kept.get("annotations")).items() if name != _REVISION}
    made["metadata"] = {**{name: value for name, value in kept.items() if name != "annotations"}}
    if notes:
        made["metadata"]["annotations"] = notes
    return made


def keys_of(objects: Iterable[Object]) -> frozenset[Key]:
    """The keys of several objects."""
    return frozenset(key_of(each) for each in objects)
