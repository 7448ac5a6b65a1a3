"""Which lines of a log a page shows, and when it asks for the next. Pure decisions, then the queries that follow them.

A follower asks for what comes after line N and is told the N to ask for next. N never passes `last_line` as read before
the lines, and lines are written together with it: so nothing is left out and nothing comes twice, whoever restarts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from kcloud_site.operations.models import LogLine, Operation

FIRST_LINES = 100
NEXT_LINES = 200
CONTEXT_LINES = 50
# A page stays below 100 kB whatever the lines hold.
MOST_CHARACTERS = 24_000
LONGEST_SHOWN = 2_000
# Seconds until the next question, by how often in a row nothing had come.
_DELAYS = (1, 1, 2, 3, 5, 8, 10)
RETRY_AFTER = 20


@dataclass(frozen=True)
class Filter:
    """Only one host's, one step's lines; empty means all."""

    host: str = ""
    step: str = ""

    def __bool__(self) -> bool:
        return bool(self.host or self.step)


@dataclass(frozen=True)
class Shown:
    """Lines of a page. `earlier` lines matching stand before, `later` after them; `after` is the next question's N."""

    lines: Sequence[LogLine]
    after: int
    earlier: bool = False
    later: bool = False

    @property
    def first(self) -> int:
        return self.lines[0].number if self.lines else 0


def delay(idle: int) -> int:
    """Seconds to wait after `idle` questions in a row brought nothing."""
    return _DELAYS[min(max(idle, 0), len(_DELAYS) - 1)]


def matching(operation: Operation, wanted: Filter) -> QuerySet[LogLine]:
    lines = LogLine.objects.filter(operation=operation)
    if wanted.host:
        lines = lines.filter(target=wanted.host)
    if wanted.step:
        lines = lines.filter(step=wanted.step)
    return lines


def following(operation: Operation, wanted: Filter, after: int) -> Shown:
    """The lines after `after`, at most NEXT_LINES; `later` says that more are there already."""
    end = operation.last_line
    found = matching(operation, wanted).filter(number__gt=after, number__lte=end).order_by("number")
    lines = list(found[: NEXT_LINES + 1])
    kept = fitting(lines[:NEXT_LINES])
    if len(kept) < len(lines):
        return Shown(kept, after=kept[-1].number, later=True)
    return Shown(kept, after=max(after, end))


def last(operation: Operation, wanted: Filter, before: int = 0) -> Shown:
    """The newest lines, or the newest before line `before`."""
    end = min(operation.last_line, before - 1) if before else operation.last_line
    found = matching(operation, wanted).filter(number__lte=end).order_by("-number")
    lines = list(found[: FIRST_LINES + 1])
    kept = fitting(lines[:FIRST_LINES])
    earlier = len(kept) < len(lines)
    return Shown(list(reversed(kept)), after=end, earlier=earlier, later=end < operation.last_line)


def around(operation: Operation, wanted: Filter, line: int) -> Shown:
    """Line `line` with CONTEXT_LINES before and after it."""
    lines = matching(operation, wanted).filter(number__lte=operation.last_line)
    upto = list(lines.filter(number__lte=line).order_by("-number")[: CONTEXT_LINES + 2])
    beyond = list(lines.filter(number__gt=line).order_by("number")[: CONTEXT_LINES + 1])
    before = fitting(upto[: CONTEXT_LINES + 1])
    behind = fitting(beyond[:CONTEXT_LINES])
    kept = [*reversed(before), *behind]
    later = len(behind) < len(beyond)
    end = kept[-1].number if later and kept else operation.last_line
    return Shown(kept, after=end, earlier=len(before) < len(upto), later=later)


def fitting(lines: Sequence[LogLine]) -> list[LogLine]:
    """As many from the front as a page can carry; at least one."""
    room = MOST_CHARACTERS
    kept: list[LogLine] = []
    for line in lines:
        room -= min(len(line.text), LONGEST_SHOWN)
        if kept and room < 0:
            break
        kept.append(line)
    return kept
