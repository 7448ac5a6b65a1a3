"""Amounts of what a tenant may use: processors, memory, storage, pods, GPUs. Pure.

`Resources` adds, subtracts and compares by parts; parts may be negative (what is free of a quota that is exceeded).
Quantities are read and written as Kubernetes does ("500m", "2Gi", "1.5", "1e3"): `parse` is exact and rounds up to the
whole unit of its part (millicores, bytes, pieces), `quantity` writes the shortest form that `parse` reads back.

Errors: QuantityInvalid names the part, what is wrong with the text and what to write instead. No part may be larger
than LARGEST, so that sums fit the database's integers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from decimal import Decimal, localcontext
from typing import Any

# 64 PiB, or 7 * 10^13 cores: more than anybody has, and a hundred of it still fit a 64-bit integer.
LARGEST = 2**56

_BINARY = {unit: 1024**power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)}
_DECIMAL = {unit: 1000**power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)}
_SMALL = {"m": Decimal("1e-3"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}
_SUFFIXES: dict[str, Decimal | int] = {**_BINARY, **_DECIMAL, **_SMALL, "": 1}
# At most 30 digits a side: a longer number is no quantity but an attack on the parser.
_QUANTITY = re.compile(
    r"\+?(?P<number>[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})"
    r"(?:[eE](?P<exponent>[+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i)?)",
    re.ASCII,
)


class QuantityInvalid(ValueError):
    """A text is no amount of `part`. `code` (empty, form, negative, too-large) says why; str() says it in English."""

    def __init__(self, part: str, text: str, code: str) -> None:
        self.part, self.text, self.code = part, text[:40], code
        super().__init__(
            f"{part}: “{self.text}” cannot be read ({code}). Write {EXAMPLES.get(part, 'a number')}."
        )


# What to write, for messages and hints.
EXAMPLES = {"cpu": "4, 1.5, 500m", "memory": "8Gi, 512Mi", "storage": "100Gi, 2Ti", "pods": "50", "gpus": "2"}
PARTS: tuple[str, ...] = tuple(EXAMPLES)


@dataclass(frozen=True)
class Resources:
    """`cpu` in millicores, `memory` and `storage` in bytes, `pods` and `gpus` in pieces."""

    cpu: int = 0
    memory: int = 0
    storage: int = 0
    pods: int = 0
    gpus: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            *(mine + theirs for mine, theirs in zip(self._values(), other._values(), strict=True))
        )

    def __sub__(self, other: Resources) -> Resources:
        return Resources(
            *(mine - theirs for mine, theirs in zip(self._values(), other._values(), strict=True))
        )

    def __bool__(self) -> bool:
        """Whether any part is not zero."""
        return any(self._values())

    def exceeds(self, other: Resources) -> dict[str, int]:
        """The parts of which this is more than `other`, and by how much; empty when it fits into `other`."""
        return {part: by for part, by in (self - other).parts().items() if by > 0}

    def floored(self) -> Resources:
        """The same with 0 for every negative part."""
        return Resources(*(max(0, value) for value in self._values()))

    def parts(self) -> dict[str, int]:
        """Part name to number, in the order of PARTS: the columns of a row that keeps an amount."""
        return asdict(self)

    def to_json(self) -> dict[str, str]:
        """Part name to quantity, all five, as a program reads them: {"cpu": "500m", "memory": "2Gi", …}."""
        return {part: quantity(part, value) for part, value in self.parts().items()}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Resources:
        """From quantities by part; parts that are not told are 0. Raises QuantityInvalid, also for an unknown part."""
        for part in told:
            if part not in PARTS:
                raise QuantityInvalid(str(part), "", "unknown")
        return cls(**{part: parse(part, told[part]) for part in told})

    def _values(self) -> tuple[int, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def total(amounts: Iterable[Resources]) -> Resources:
    """The sum; nothing adds up to nothing."""
    return sum(amounts, Resources())


def parse(part: str, told: Any) -> int:
    """A quantity (text, or a number as JSON may hold it) in units of the part, rounded up. Raises QuantityInvalid."""
    text = "" if told is None or isinstance(told, bool) else str(told).strip()
    if not text:
        raise QuantityInvalid(part, str(told), "empty")
    if text.startswith("-"):
        raise QuantityInvalid(part, text, "negative")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise QuantityInvalid(part, text, "form")
    found = _value(match, 1000 if part == "cpu" else 1)
    if found > LARGEST:
        raise QuantityInvalid(part, text, "too-large")
    return math.ceil(found)


def _value(match: re.Match[str], units: int) -> Decimal:
    """Exact: no number the pattern lets through has more digits than this precision."""
    with localcontext(prec=200):
        number = Decimal(match["number"]) * units
        if match["exponent"]:
            return number.scaleb(int(match["exponent"]))
        return number * _SUFFIXES[match["suffix"] or ""]


def quantity(part: str, value: int) -> str:
    """The number in the shortest exact form Kubernetes writes: millicores "500m" or cores, bytes in binary units."""
    if part == "cpu":
        return f"{value}m" if value % 1000 else str(value // 1000)
    if part in ("memory", "storage") and value:
        for unit, size in reversed(_BINARY.items()):
            if value % size == 0:
                return f"{value // size}{unit}"
    return str(value)
