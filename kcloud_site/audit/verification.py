"""Whether the trail is what was written: every seal is computed again and compared.

A trail of a million events takes about a minute to read, so nobody waits for it. `go_on` reads a bounded number of
events each time it is called (the clock calls it): first what is new since the last time, then a stretch of a second
reading that begins again at the first event whenever it has come to the end. So a change of a new event is noticed at
the next turn, one of an old event within one round, and a cut end at once, for the last seal read is remembered.

A break stays where it is found: no reading goes past it, so the chain counts as broken until the rows are right again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from kcloud_site.audit import chain
from kcloud_site.audit.models import AuditEvent, ChainCheck, ChainHead

HEAD = CHECK = 1
# Seconds between two turns of the clock.
EVERY = 300
# Events in one turn; about two seconds.
A_TURN = 20_000
_CHANGED = "its content is not what was sealed"
_MISPLACED = "the event before it was removed, inserted or exchanged"


@dataclass(frozen=True)
class Verdict:
    """What was found: `events` read, and when broken the id of the first bad event (0: missing) and why."""

    events: int
    broken_id: int | None = None
    why: str = ""

    @property
    def intact(self) -> bool:
        return self.broken_id is None


@dataclass(frozen=True)
class Mark:
    """Where a reading stands: behind the event of this id and seal, the `events`-th of the trail."""

    id: int = 0
    hash: str = chain.FIRST
    events: int = 0


START = Mark()


def read(mark: Mark, limit: int | None = None) -> tuple[Mark, Verdict]:
    """Read on from `mark`, at most `limit` events. Answers how far it came, and what it found there."""
    rows = AuditEvent.objects.filter(pk__gt=mark.id).order_by("pk")
    for event in rows[:limit] if limit is not None else rows.iterator(chunk_size=500):
        why = _wrong(event, mark.hash)
        if why:
            return mark, Verdict(mark.events + 1, event.pk, why)
        mark = Mark(event.pk, event.hash, mark.events + 1)
    return mark, Verdict(mark.events)


def _wrong(event: AuditEvent, previous: str) -> str:
    if event.previous_hash != previous:
        return _MISPLACED
    content = {name: getattr(event, name) for name in chain.FIELDS}
    return "" if chain.seal(content) == event.hash else _CHANGED


def read_all() -> Verdict:
    """Read every event and stop at the first that does not fit."""
    # The head is read first: events that arrive while we read are then simply further along the chain.
    head = ChainHead.objects.filter(pk=HEAD).first()
    mark, verdict = read(START)
    return _compare_end(head, mark, verdict)


def _compare_end(head: ChainHead | None, mark: Mark, verdict: Verdict) -> Verdict:
    """A trail that ends before its head was cut."""
    if not verdict.intact or head is None or not head.hash:
        return verdict
    if mark.events < head.events or not AuditEvent.objects.filter(hash=head.hash).exists():
        why = f"events are missing at the end: {head.events} were written, {mark.events} are left"
        return Verdict(mark.events, 0, why)
    return verdict


def state() -> ChainCheck:
    """What is known of the chain; nothing is read but this."""
    return ChainCheck.objects.filter(pk=CHECK).first() or ChainCheck(pk=CHECK)


def go_on(*, limit: int = A_TURN) -> ChainCheck:
    """Read at most `limit` events of each reading and write down what was found. Two at once do no harm."""
    ChainCheck.objects.bulk_create([ChainCheck(pk=CHECK)], ignore_conflicts=True)
    known = ChainCheck.objects.get(pk=CHECK)
    end = Mark(known.end_id, known.end_hash or chain.FIRST, known.end_events)
    again = Mark(known.again_id, known.again_hash or chain.FIRST, known.again_events)
    end_now, verdict = _follow_end(end, limit)
    again_now = again
    if verdict.intact:
        again_now, verdict = read(again, limit)
    at_the_end = end_now.events - end.events < limit
    came_round = verdict.intact and at_the_end and again_now.id >= end_now.id
    found = _found(verdict, known) | _stands("end", end_now)
    found |= _stands("again", START if came_round else again_now)
    if came_round:
        found["whole_at"] = timezone.now()
    with transaction.atomic():
        # Whoever was overtaken by another check leaves the word to it.
        unmoved = {"pk": CHECK, "end_id": known.end_id, "again_id": known.again_id}
        ChainCheck.objects.filter(**unmoved).update(**found)
    return state()


def _follow_end(end: Mark, limit: int) -> tuple[Mark, Verdict]:
    """What came since the last time; that the last seal read is still there; that nothing is missing behind it."""
    if end.id and not AuditEvent.objects.filter(pk=end.id, hash=end.hash).exists():
        return end, Verdict(end.events, 0, "the last event that was read is gone or was changed")
    head = ChainHead.objects.filter(pk=HEAD).first()
    mark, verdict = read(end, limit)
    if mark.events - end.events >= limit:
        return mark, verdict
    return mark, _compare_end(head, mark, verdict)


def _found(verdict: Verdict, known: ChainCheck) -> dict[str, Any]:
    now = timezone.now()
    return {
        "checked_at": now,
        "broken_at": None if verdict.intact else known.broken_at or now,
        "broken_id": verdict.broken_id,
        "broken_why": verdict.why,
    }


def _stands(reading: str, mark: Mark) -> dict[str, Any]:
    return {f"{reading}_id": mark.id, f"{reading}_hash": mark.hash, f"{reading}_events": mark.events}
