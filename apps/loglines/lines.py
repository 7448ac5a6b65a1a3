"""One log line, where it stands, and how streams of lines become one list. Pure.

A stream is what one container of one pod writes. A line stands at its time, and, since two lines may bear the same
time, at its number among those of its stream at that time: this point never changes, so it makes a lasting address.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

from apps.loglines.severity import severity_of

BILLION = 1_000_000_000
LONGEST_LINE = 16 * 1024
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)\Z")
_NAME = r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?"
_POINT = re.compile(rf"(\d{{1,20}})~({_NAME})~({_NAME})~(\d{{1,7}})\Z")
# Control characters, but for the tab, have no place in a page or a file that is read on a terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """Where a line stands, in the order of time. `at` is in nanoseconds since 1970."""

    at: int
    pod: str
    container: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.at}~{self.pod}~{self.container}~{self.number}"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. Its text is foreign: show it as it is, never as markup."""

    point: Point
    text: str
    severity: str = ""

    @property
    def pod(self) -> str:
        return self.point.pod

    @property
    def container(self) -> str:
        return self.point.container

    @property
    def time(self) -> datetime:
        """When it was written, to the microsecond."""
        return moment(self.point.at)


def moment(at: int) -> datetime:
    """Nanoseconds as a time."""
    seconds, rest = divmod(at, BILLION)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1000)


def nanoseconds(time: datetime) -> int:
    """A time as nanoseconds."""
    return int(time.timestamp()) * BILLION + time.microsecond * 1000


def stamp(at: int) -> str:
    """Nanoseconds as RFC 3339, in full: 2026-01-02T03:04:05.000000006Z."""
    seconds, rest = divmod(at, BILLION)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def read_stamp(text: str) -> int | None:
    """RFC 3339 with up to nine digits of fraction as nanoseconds; None when it is none."""
    found = _STAMP.match(text)
    if not found:
        return None
    try:
        seconds = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
    return int(seconds) * BILLION + int((found[2] or "0").ljust(9, "0")) if seconds >= 0 else None


def read_point(text: str) -> Point | None:
    """A point from an address; None when it is none."""
    found = _POINT.match(text)
    if not found or int(found[1]) >= 1 << 63:
        return None
    return Point(int(found[1]), found[2], found[3], int(found[4]))


def clean(text: str) -> str:
    """A line without colours and control characters, and not longer than a page can bear."""
    text = text[: LONGEST_LINE + 1]
    cut = len(text) > LONGEST_LINE
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _COLOUR.sub("", text.rstrip("\r\n")))
    return text[:LONGEST_LINE] + ("…" if cut else "")


def numbered(pod: str, container: str, entries: Iterable[tuple[int, str]]) -> list[LogLine]:
    """Lines of one stream from (time, text), sorted by time; what bears the same time keeps its order."""
    made: list[LogLine] = []
    last, number = -1, 0
    for at, text in sorted(entries, key=lambda entry: entry[0]):
        number = number + 1 if at == last else 0
        last = at
        shown = clean(text)
        made.append(LogLine(Point(at, pod, container, number), shown, severity_of(shown)))
    return made


def read_stream(
    data: bytes, pod: str, container: str, *, whole_start: bool = True, whole_end: bool = True
) -> list[LogLine]:
    """The lines of a container's log with timestamps, as the kubelet gives it.

    `whole_start` False: it was cut to its last lines, so how many of the first time came before is unknown and that
    time's lines are left out. `whole_end` False: it was cut to a size, so its last line may be half of one.
    A line without a time is the rest of the line before it.
    """
    rows = data.decode("utf-8", "replace").split("\n")
    if rows and (rows[-1] == "" or not whole_end):
        rows.pop()
    entries: list[tuple[int, str]] = []
    for row in rows:
        head, _space, text = row.partition(" ")
        at = read_stamp(head)
        if at is not None:
            entries.append((at, text))
        elif entries and row:
            entries[-1] = (entries[-1][0], f"{entries[-1][1]} {row}"[: LONGEST_LINE + 1])
    made = numbered(pod, container, entries)
    if whole_start or not made:
        return made
    first = made[0].point.at
    rest = [line for line in made if line.point.at > first]
    return rest or made


def merged(streams: Iterable[Iterable[LogLine]]) -> list[LogLine]:
    """All lines in the order of time, each once."""
    found = {line.point: line for stream in streams for line in stream}
    return [found[point] for point in sorted(found)]


def around(lines: Sequence[LogLine], point: Point, each_side: int) -> list[LogLine]:
    """The line at `point` with so many before it and behind it."""
    before = len(list(takewhile(lambda line: line.point < point, lines)))
    return list(lines[max(0, before - each_side) : before + each_side + 1])
