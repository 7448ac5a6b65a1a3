"""Geometry of line charts, in the 100 × 100 box that the SVG tags draw. Pure.

A value of None is a gap, never a zero; so is a stretch without points longer than `longest_gap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LEAST = 1e-9
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Span:
    """The time the chart shows, and the value at its upper edge."""

    start: datetime
    end: datetime
    top: float
    longest_gap: timedelta

    def x(self, at: datetime) -> float:
        length = (self.end - self.start).total_seconds() or 1.0
        return 100.0 * (at - self.start).total_seconds() / length

    def y(self, value: float) -> float:
        return 100.0 - 100.0 * value / (self.top or 1.0)


def path(points: Sequence[tuple[datetime, float | None]], span: Span) -> str:
    """The `d` of a line through the points; a point alone between two gaps is a short dash."""
    pieces: list[list[str]] = []
    last: datetime | None = None
    for at, value in points:
        if value is None:
            last = None
            continue
        if last is None or at - last > span.longest_gap:
            pieces.append([])
        pieces[-1].append(f"{span.x(at):.2f} {span.y(value):.2f}")
        last = at
    return " ".join(f"M{piece[0]}" + (f"L{' '.join(piece[1:])}" if piece[1:] else "h.4") for piece in pieces)


def round_top(highest: float) -> float:
    """The first round number that is not less than the highest value: 1, 2, 2.5, 5 times a power of ten; 1 for 0.

    What is less than anything measured here counts as 0: the smallest floats have no power of ten below them."""
    if highest < LEAST:
        return 1.0
    power = 1.0
    while power * 10 <= highest:
        power *= 10
    while power > highest:
        power /= 10
    return next(step * power for step in _STEPS if step * power >= highest * (1 - 1e-9))


def ticks(start: datetime, end: datetime, number: int) -> list[datetime]:
    """So many moments, evenly between start and end, both of them left out."""
    return [start + (end - start) * place / (number + 1) for place in range(1, number + 1)]
