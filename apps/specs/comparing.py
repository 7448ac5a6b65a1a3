"""What differs between two releases, field by field, in words a person can scan. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_NAMED_BY = ("name", "volume")


@dataclass(frozen=True)
class Change:
    """One field that differs: `path` ("containers.web.image"), and both values as JSON (None: not there)."""

    path: str
    before: Any
    after: Any

    @property
    def what(self) -> str:
        """ADDED, REMOVED or CHANGED."""
        if self.before is None:
            return ADDED
        return REMOVED if self.after is None else CHANGED


def differences(before: Any, after: Any, path: str = "") -> list[Change]:
    """From `before` to `after`, both as apps.specs.spec.as_json gives them. Lists of named things are compared by name,
    so that one container more is one change."""
    return list(_compare(before, after, path))


def _compare(before: Any, after: Any, path: str) -> Iterator[Change]:
    if before == after:
        return
    left, right = _as_map(before), _as_map(after)
    if left is None or right is None:
        yield Change(path, _empty_as_none(before), _empty_as_none(after))
        return
    for key in [*left, *(key for key in right if key not in left)]:
        yield from _compare(left.get(key), right.get(key), f"{path}.{key}" if path else str(key))


def _as_map(value: Any) -> Mapping[str, Any] | None:
    """A map, or a list of named things as one; None for what has no parts to compare."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list):
        for name in _NAMED_BY:
            if value and all(isinstance(each, Mapping) and name in each for each in value):
                found = {str(each[name]): each for each in value}
                return found if len(found) == len(value) else None
        return None if value else {}
    return None


def _empty_as_none(value: Any) -> Any:
    return None if value in ({}, [], "") else value
