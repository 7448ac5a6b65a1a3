"""The audit trail: who changed what, before and after, why. Each event is sealed with the one before it.

`record` is called by services inside the transaction of the change, as its last write. Writers take turns on one row
(a conditional update locks it until commit, on SQLite and PostgreSQL alike), so the chain cannot fork. That row also
keeps the number of events and the last seal: cutting events off the end is noticed too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from kcloud_site.operations import chain
from kcloud_site.operations.models import AuditEvent, Lease, Operation

_HEAD = "audit-chain"
SYSTEM = "system"


@dataclass(frozen=True)
class Subject:
    """What an operation or an event is about: label ("clusters.cluster"), id and name as text."""

    type: str
    id: str
    name: str

    @classmethod
    def of(cls, thing: "models.Model | Subject") -> "Subject":
        """The subject itself, or the one that names a row."""
        if isinstance(thing, Subject):
            return thing
        name = str(getattr(thing, "name", "") or thing)
        return cls(thing._meta.label_lower, str(thing.pk), name[:200])


def record(
    *,
    by: Any,
    action: str,
    subject: models.Model | Subject,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    operation: Operation | None = None,
) -> AuditEvent:
    """Add one event. `by` is a user, or None for the portal itself; `action` like "cluster.deploy"."""
    about = Subject.of(subject)
    with transaction.atomic():
        head = _take_turn()
        event = {
            "at": timezone.now(),
            "actor": chain.clean(by.get_username() if by is not None else SYSTEM),
            "action": action,
            "object_type": about.type,
            "object_id": about.id,
            "object_name": chain.clean(about.name),
            "before": None if before is None else chain.plain(before),
            "after": None if after is None else chain.plain(after),
            "reason": chain.clean(reason),
            "operation_id": operation.pk if operation else None,
            "previous_hash": head.owner or chain.FIRST,
        }
        row = AuditEvent.objects.create(**event, hash=chain.seal(event))
        Lease.objects.filter(pk=head.pk).update(owner=row.hash)
    return row


def _take_turn() -> Lease:
    """The row of the chain's end, locked until commit: the count raised, the last seal in `owner`."""
    if not Lease.objects.filter(name=_HEAD).update(fencing=F("fencing") + 1):
        Lease.objects.bulk_create([Lease(name=_HEAD)], ignore_conflicts=True)
        Lease.objects.filter(name=_HEAD).update(fencing=F("fencing") + 1)
    return Lease.objects.get(name=_HEAD)


@dataclass(frozen=True)
class Verdict:
    """What `verify` found: `events` read, and when broken the id of the first bad event (0: missing) and why."""

    events: int
    broken_id: int | None = None
    why: str = ""

    @property
    def intact(self) -> bool:
        return self.broken_id is None


def verify() -> Verdict:
    """Read the whole chain and stop at the first event that does not fit."""
    # The head is read first: events that arrive while we read are then simply further along the chain.
    head = Lease.objects.filter(name=_HEAD).first()
    previous, count, seen_head = chain.FIRST, 0, head is None or not head.owner
    for event in AuditEvent.objects.order_by("id").iterator(chunk_size=500):
        count += 1
        if event.previous_hash != previous:
            return Verdict(count, event.pk, "the event before it was removed, inserted or exchanged")
        if chain.seal({name: getattr(event, name) for name in chain.FIELDS}) != event.hash:
            return Verdict(count, event.pk, "its content is not what was sealed")
        previous = event.hash
        seen_head = seen_head or (head is not None and event.hash == head.owner)
    if head is not None and (count < head.fencing or not seen_head):
        return Verdict(
            count, 0, f"events are missing at the end: {head.fencing} were written, {count} are left"
        )
    return Verdict(count)
