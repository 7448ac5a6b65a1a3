"""Figures as ratios measured side by side: peer, ours, peer, ours … in one run. Never asserted, always reported.

`paired(peer, ours)` calls each in turn and answers a Ratio; `report(...)` adds a row to the table that `make bench`
prints at its end. What is absolute on a shared machine is noise, so rows carry the ratio first.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROWS: list[str] = []


@dataclass(frozen=True)
class Ratio:
    """`times` is peer ÷ ours of each pair: above 1 we are faster."""

    peer: list[float]
    ours: list[float]

    @property
    def times(self) -> list[float]:
        return [peer / ours for peer, ours in zip(self.peer, self.ours, strict=True)]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def worst(self) -> float:
        return min(self.times)


def paired(peer: Callable[[], object], ours: Callable[[], object], *, pairs: int = 5) -> Ratio:
    """Wall seconds of `pairs` alternating calls of each, after one unmeasured call of each."""
    peer(), ours()
    result = Ratio([], [])
    for _ in range(pairs):
        for call, seconds in ((peer, result.peer), (ours, result.ours)):
            began = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - began)
    return result


def report(figure: str, what: str, peer: str, ours: str, ratio: str) -> None:
    """One row of the table."""
    ROWS.append(f"| {figure} | {what} | {peer} | {ours} | {ratio} |")
