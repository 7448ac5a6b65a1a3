"""Fields of objects as a cluster gives them: hostile text until looked at, so each is taken for what it is or for
nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def map_of(value: Any) -> Mapping[str, Any]:
    """The map, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def maps_of(value: Any) -> list[Mapping[str, Any]]:
    """The maps in a list; none of what is no list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
