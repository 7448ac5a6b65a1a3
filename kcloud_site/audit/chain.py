"""The arithmetic of the audit trail: what one event says, as bytes, and its seal. Pure.

A seal is the SHA-256 of the event's canonical JSON, which holds the seal of the event before it. Canonical means: keys
sorted, no spaces, whole floats as integers (databases differ in how they give 1.0 back), NUL characters replaced
(PostgreSQL refuses them), dates as ISO 8601 text.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

FIRST = "0" * 64
FIELDS = (
    "at",
    "actor_kind",
    "actor",
    "via",
    "action",
    "tenant_id",
    "object_type",
    "object_id",
    "object_name",
    "before",
    "after",
    "reason",
    "operation_id",
    "previous_hash",
)


def plain(value: Any) -> Any:
    """The value as JSON will give it back from any database. Raises ValueError for NaN and infinity."""
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(item) for item in items]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} has no form in JSON; leave it out or send text")
        return int(value) if value.is_integer() else value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return clean(str(value))


def clean(text: str) -> str:
    """Text every database can hold: no NUL, no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def canonical(value: Any) -> bytes:
    """The value as bytes, the same on every machine. Raises ValueError for NaN and infinity."""
    text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.encode()


def digest(value: Any) -> str:
    """SHA-256 of the canonical form, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def seal(event: Mapping[str, Any]) -> str:
    """The hash of one event: a mapping with every name in FIELDS."""
    return digest({name: event[name] for name in FIELDS})
