"""What is asked of logs and what comes back, whichever store answers. Pure.

`Query.after` follows: a position in every stream, so that a line that arrives late in one stream is not lost because
another stream is ahead (no gap), and none comes twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from apps.loglines.lines import LogLine, Point, merged
from apps.loglines.patterns import Pattern
from apps.loglines.positions import Positions
from apps.loglines.severity import at_least

MOST_LINES, USUAL_LINES = 5000, 500
MOST_STREAMS = 50


@dataclass(frozen=True)
class Query:
    """Empty fields narrow nothing. `since` and `until` are nanoseconds, `until` itself not included."""

    pods: tuple[str, ...] = ()
    container: str = ""
    previous: bool = False
    words: str = ""
    pattern: Pattern | None = None
    severity: str = ""
    since: int | None = None
    until: int | None = None
    after: Positions | None = None
    limit: int = USUAL_LINES
    # Which end is kept when there are more than `limit`: the newest, or the oldest (to read on from `after`).
    oldest_first: bool = False

    def wants(self, pod: str, container: str) -> bool:
        """Whether that stream is asked for."""
        return (not self.pods or pod in self.pods) and self.container in ("", container)

    def start_of(self, pod: str, container: str) -> int | None:
        """From which time on lines of that stream are asked for."""
        position = self.after.of(pod, container) if self.after else None
        known = [each for each in (self.since, position.at if position else None) if each is not None]
        return max(known) if known else None


@dataclass(frozen=True)
class Stream:
    """One container of a pod: what can be chosen. `kind` is "" for ordinary ones, "init" for those before them."""

    pod: str
    container: str
    kind: str = ""


@dataclass(frozen=True)
class Unread:
    """A stream that could not be read, and why."""

    pod: str
    container: str
    why: str


@dataclass(frozen=True)
class LogPage:
    """What came back, in the order of time. `positions` is where to go on, `earlier` that older lines were left out,
    `more` that newer ones were."""

    lines: Sequence[LogLine]
    positions: Positions
    streams: Sequence[Stream] = ()
    unread: Sequence[Unread] = ()
    earlier: bool = False
    more: bool = False
    # Sizes that were reached, as "pod/container": the store cut there.
    cut: Sequence[str] = field(default_factory=tuple)


def page_of(
    query: Query,
    streams: Sequence[Sequence[LogLine]],
    *,
    known: Sequence[Stream] = (),
    unread: Sequence[Unread] = (),
    cut: Sequence[str] = (),
    floor: int = 0,
    complete: bool = True,
) -> LogPage:
    """One page of what the store read of each stream: cut to the window, behind the positions, merged, filtered.

    The positions move over what was looked at, also over lines the filter left out. `complete` False: the store says
    that older lines are missing. `floor`: from when on streams are read of which nothing came yet.
    """
    seen = merged([line for line in stream if _inside(query, line)] for stream in streams)
    keep, looked_at = filter_of(query), seen
    lines = [line for line in seen if keep(line)]
    earlier = more = False
    if len(lines) > query.limit:
        if query.oldest_first:
            lines, more = lines[: query.limit], True
            looked_at = [line for line in seen if line.point <= lines[-1].point]
        else:
            lines, earlier = lines[-query.limit :], True
    start = query.after or Positions(floor=max(floor, query.since or 0))
    positions = start.moved(line.point for line in looked_at)
    return LogPage(
        lines=lines,
        positions=positions,
        streams=known,
        unread=unread,
        earlier=earlier or not complete,
        more=more,
        cut=tuple(cut),
    )


def filter_of(query: Query) -> Callable[[LogLine], bool]:
    """Whether a line is shown, by words, pattern and severity. A pattern that takes too long raises PatternTooSlow."""
    words = query.words.casefold()
    search = query.pattern.searcher() if query.pattern else None

    def keep(line: LogLine) -> bool:
        if not at_least(line.severity, query.severity):
            return False
        if words and words not in line.text.casefold():
            return False
        return search is None or search(line.text)

    return keep


def without_filter(query: Query) -> Query:
    """The same lines, none left out."""
    return replace(query, words="", pattern=None, severity="")


def _inside(query: Query, line: LogLine) -> bool:
    point: Point = line.point
    if not query.wants(point.pod, point.container):
        return False
    if query.since is not None and point.at < query.since:
        return False
    if query.until is not None and point.at >= query.until:
        return False
    return query.after is None or query.after.is_before(point)
