"""Values as Compose writes them, as ours: variables filled in, amounts, durations, names. Pure."""

from __future__ import annotations

import re
from typing import Any

_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)(?:(:?[-?+])([^}]*))?\}|([A-Za-z_]\w*))")
_DURATION = re.compile(
    r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,6})?)s)?(?:(\d{1,9})ms)?(?:(\d{1,9})us)?\Z",
    re.ASCII,
)
_BYTES = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kmgt]?)(i?b?)\Z", re.IGNORECASE | re.ASCII)
MOST_SECONDS = 10**6
_FACTORS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def filled(text: str) -> tuple[str, list[str]]:
    """The text with "${NAME:-default}" filled in by its default, and the names that had none."""
    missing: list[str] = []

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return "$"
        name, operator, default = found[2] or found[5], found[3] or "", found[4] or ""
        if operator.endswith("-"):
            return default
        if not operator.endswith("+"):
            missing.append(name)
        return ""

    return _VARIABLE.sub(value, text), missing


def seconds(value: Any, default: int) -> int:
    """ "1m30s" as 90; at least 1 where something was said."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return max(1, int(value)) if 0 <= value < MOST_SECONDS else default
    found = _DURATION.match(str(value or ""))
    if found is None or not any(found.groups()):
        return default
    hours, minutes, whole = (float(found[index] or 0) for index in (1, 2, 3))
    return max(1, round(hours * 3600 + minutes * 60 + whole))


def amount(field: str, value: Any) -> str:
    """ "0.5" processors as "500m", "512M" as "512Mi" (Compose counts in powers of two); "" for what is none."""
    if field == "cpu":
        try:
            parts = round(float(value) * 1000)
        except (TypeError, ValueError, OverflowError):
            return ""
        return f"{parts}m" if 0 < parts < 10**9 else ""
    found = _BYTES.match(str(value))
    if found is None:
        return ""
    whole = int(float(found[1]) * _FACTORS[found[2].lower()])
    if whole <= 0:
        return ""
    return f"{whole // 2**20}Mi" if whole % 2**20 == 0 else str(whole)


def short_name(name: str) -> str:
    """The name as one of ours: small letters, digits and hyphens, 40 at most."""
    made = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:40].strip("-")
    return made if made[:1].isalpha() else f"app-{made}".strip("-")[:40].strip("-")
