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

from kcloud_site.audit import chain, verification
from kcloud_site.audit.models import AuditEvent, ChainHead
from kcloud_site.audit.verification import Verdict

__all__ = ["Actor", "Subject", "Verdict", "record", "verify"]

SYSTEM = "system"


@dataclass(frozen=True)
class Subject:
    """What an operation or an event is about: label ("clusters.cluster"), id and name as text, and whose it is
    (None: the platform's own)."""

    type: str
    id: str
    name: str
    tenant_id: int | None = None

    @classmethod
    def of(cls, thing: "models.Model | Subject") -> "Subject":
        """The subject itself, or the one that names a row. A row belongs to its `tenant_id`."""
        if isinstance(thing, Subject):
            return thing
        name = str(getattr(thing, "name", "") or thing)
        return cls(thing._meta.label_lower, str(thing.pk), name[:200], getattr(thing, "tenant_id", None))


@dataclass(frozen=True)
class Actor:
    """Who acted: kind (AuditEvent.ActorKind), name, and the token or rule it went through."""

    kind: str
    name: str
    via: str = ""

    @classmethod
    def of(cls, by: Any) -> "Actor":
        """Of a person (one with `acting_through` set acts by a token), of an Actor itself, or of None: the portal."""
        if by is None:
            return cls(AuditEvent.ActorKind.SYSTEM, SYSTEM)
        if isinstance(by, Actor):
            return by
        token = str(getattr(by, "acting_through", "") or "")
        kind = AuditEvent.ActorKind.TOKEN if token else AuditEvent.ActorKind.PERSON
        return cls(kind, by.get_username(), token)


def record(
    *,
    by: Any,
    action: str,
    subject: models.Model | Subject,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    operation: models.Model | None = None,
    tenant: models.Model | None = None,
) -> AuditEvent:
    """Add one event. `by` is a user, an Actor, or None for the portal itself; `action` like "cluster.deploy".

    The event belongs to `tenant`, or else to the subject's own (Subject.tenant_id).
    """
    about, actor = Subject.of(subject), Actor.of(by)
    with transaction.atomic():
        head = _take_turn()
        event = {
            "at": timezone.now(),
            "actor_kind": str(actor.kind),
            "actor": chain.clean(actor.name)[:150],
            "via": chain.clean(actor.via)[:100],
            "action": action,
            "tenant_id": tenant.pk if tenant is not None else about.tenant_id,
            "object_type": about.type,
            "object_id": about.id,
            "object_name": chain.clean(about.name),
            "before": None if before is None else chain.plain(before),
            "after": None if after is None else chain.plain(after),
            "reason": chain.clean(reason),
            "operation_id": operation.pk if operation else None,
            "previous_hash": head.hash or chain.FIRST,
        }
        row = AuditEvent.objects.create(**event, hash=chain.seal(event))
        ChainHead.objects.filter(pk=head.pk).update(hash=row.hash)
    return row


def _take_turn() -> ChainHead:
    """The row of the chain's end, locked until commit: the count raised."""
    if not ChainHead.objects.filter(pk=verification.HEAD).update(events=F("events") + 1):
        ChainHead.objects.bulk_create([ChainHead(pk=verification.HEAD)], ignore_conflicts=True)
        ChainHead.objects.filter(pk=verification.HEAD).update(events=F("events") + 1)
    return ChainHead.objects.get(pk=verification.HEAD)


def verify() -> Verdict:
    """Read the whole chain and stop at the first event that does not fit. Long trails: see `verification.go_on`."""
    return verification.read_all()
