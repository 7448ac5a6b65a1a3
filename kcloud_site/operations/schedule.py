"""When periodic work is due, and when next. Pure: `now` is an argument, nothing is read or written.

The grid is kept: a row that was late is moved to the next point of its grid after `now`, so missed turns are not made
up for in a burst. A row further away than its own period can only come from a clock that was set back: it is due now.
"""

from datetime import datetime, timedelta


def is_due(due_at: datetime, every: int, now: datetime) -> bool:
    """Whether the row's turn has come. `every` in seconds."""
    return due_at <= now or due_at > now + timedelta(seconds=max(every, 1))


def next_due(due_at: datetime, every: int, now: datetime) -> datetime:
    """The first point of the row's grid after `now`. `every` in seconds; 0 counts as 1."""
    period = timedelta(seconds=max(every, 1))
    if due_at > now:
        return now + period
    return due_at + period * ((now - due_at) // period + 1)
