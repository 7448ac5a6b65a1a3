"""How far each stream was read, small enough for an address. Pure.

A stream is named by 50 bits of a digest of its names. A stream that is not in it, such as that of a pod that started
meanwhile, is read from `floor` on.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from apps.loglines.lines import Point

MOST = 100
LONGEST = 4000
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TEXT = re.compile(r"[0-9a-z]{1,13}(?:\.[a-z2-7]{10}-[0-9a-z]{1,13}(?:-[0-9a-z]{1,5})?)*\Z")


@dataclass(frozen=True, slots=True)
class Position:
    """The last line that was read of a stream."""

    at: int
    number: int = 0


@dataclass(frozen=True)
class Positions:
    """Positions by stream."""

    floor: int = 0
    by_stream: Mapping[str, Position] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, pod: str, container: str) -> Position | None:
        """Where that stream was read to; its floor while none of its lines was."""
        return self.by_stream.get(key_of(pod, container)) or (
            Position(self.floor, -1) if self.floor else None
        )

    def is_before(self, point: Point) -> bool:
        """Whether that line was not read yet."""
        found = self.of(point.pod, point.container)
        return found is None or (point.at, point.number) > (found.at, found.number)

    def moved(self, points: Iterable[Point]) -> Positions:
        """After these lines were read, too."""
        known = dict(self.by_stream)
        for point in points:
            key, reached = key_of(point.pod, point.container), Position(point.at, point.number)
            before = known.get(key)
            if before is None or (before.at, before.number) < (reached.at, reached.number):
                known[key] = reached
        newest = sorted(known.items(), key=lambda each: -each[1].at)[:MOST]
        return Positions(self.floor, MappingProxyType(dict(newest)))

    def __str__(self) -> str:
        parts = [_short(self.floor)]
        for key, position in sorted(self.by_stream.items()):
            number = f"-{_short(position.number)}" if position.number else ""
            parts.append(f"{key}-{_short(position.at)}{number}")
        return ".".join(parts)


def read_positions(text: str) -> Positions | None:
    """Positions from an address; None when it holds none."""
    if len(text) > LONGEST or not _TEXT.match(text):
        return None
    floor, *rest = text.split(".")
    found = {}
    for each in rest[:MOST]:
        key, at, *number = each.split("-")
        found[key] = Position(int(at, 36), int(number[0], 36) if number else 0)
    if any(each.at >= 1 << 63 for each in found.values()) or int(floor, 36) >= 1 << 63:
        return None
    return Positions(int(floor, 36), MappingProxyType(found))


def key_of(pod: str, container: str) -> str:
    """A stream's short name."""
    digest = hashlib.sha256(f"{pod}/{container}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:10]


def _short(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"
