"""Which events of the trail a page or an export shows. Pages are cut behind an event, never by number, and nothing is
counted: the millionth event costs what the first does.

`Wanted` says which; `matching` is the query; `page` cuts one page of it; `around` finds what changed near one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import QuerySet

from kcloud_site.audit import selectors
from kcloud_site.audit.models import AuditEvent
from kcloud_site.audit.trail import Subject

EVENTS_A_PAGE = 50
EVENTS_AROUND = 10
# Of a thing with very many neighbours (a cluster of thousands of hosts) so many are looked at.
MOST_NEIGHBOURS = 500


@dataclass(frozen=True)
class Wanted:
    """Filter of the trail; empty means any. `action` may be a noun ("cluster"); names are whole names; `since` is
    included, `until` is not. `tenant_id` is one the reader may see (the form resolves the name)."""

    type: str = ""
    id: str = ""
    name: str = ""
    actor: str = ""
    kind: str = ""
    via: str = ""
    tenant_id: int | None = None
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None
    operation: int | None = None

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def told(self) -> dict[str, Any]:
        """What was chosen, for the audit event of an export."""
        return {name: value for name, value in asdict(self).items() if value}


def matching(rows: QuerySet[AuditEvent], wanted: Wanted) -> QuerySet[AuditEvent]:
    """The wanted among `rows`, in no order yet."""
    columns = {
        "object_type": wanted.type,
        "object_id": wanted.id,
        "object_name": wanted.name,
        "actor": wanted.actor,
        "actor_kind": wanted.kind,
        "via": wanted.via,
        "tenant_id": wanted.tenant_id,
        "at__gte": wanted.since,
        "at__lt": wanted.until,
        "operation_id": wanted.operation,
    }
    rows = rows.filter(**{column: value for column, value in columns.items() if value})
    return rows.filter(action__in=_actions(wanted.action)) if wanted.action else rows


def _actions(wanted: str) -> list[str]:
    """The action itself, or all of a noun."""
    if "." in wanted:
        return [wanted]
    return [action for action in selectors.values_of("action") if action.startswith(f"{wanted}.")]


@dataclass(frozen=True)
class Page:
    """Events, newest first; the events to go on from in either direction (None: nothing there)."""

    events: Sequence[AuditEvent]
    older: int | None = None
    newer: int | None = None


def page(
    rows: QuerySet[AuditEvent],
    *,
    older: int | None = None,
    newer: int | None = None,
    size: int = EVENTS_A_PAGE,
) -> Page:
    """The newest events, or those older or newer than the event of that id. An id that is not among `rows` is the
    same as none."""
    mark = rows.filter(pk=older or newer or 0).first() if older or newer else None
    if mark is not None and newer and not older:
        found = list(_newer_than(rows, mark).order_by("at", "id")[: size + 1])
        events = found[:size][::-1]
        return Page(events, older=_last(events), newer=events[0].pk if len(found) > size else None)
    if mark is not None:
        rows = _older_than(rows, mark)
    found = list(rows.order_by("-at", "-id")[: size + 1])
    events = found[:size]
    first = events[0].pk if events and mark is not None else None
    return Page(events, older=_last(events) if len(found) > size else None, newer=first)


def _last(events: Sequence[AuditEvent]) -> int | None:
    return events[-1].pk if events else None


def _older_than(rows: QuerySet[AuditEvent], mark: AuditEvent) -> QuerySet[AuditEvent]:
    # A range with its corner cut out, rather than an OR: so the index is used as a range.
    return rows.filter(at__lte=mark.at).exclude(at=mark.at, pk__gte=mark.pk)


def _newer_than(rows: QuerySet[AuditEvent], mark: AuditEvent) -> QuerySet[AuditEvent]:
    return rows.filter(at__gte=mark.at).exclude(at=mark.at, pk__lte=mark.pk)


# ---- what changed near one thing ---------------------------------------------------------------------------------

Neighbours = Callable[[Any], Iterable[Subject]]


def _of_operation(operation: Any) -> Iterable[Subject]:
    """An operation's changes are those of what it works on."""
    yield Subject(operation.subject_type, operation.subject_id, operation.subject_name)
    subject = thing(operation.subject_type, operation.subject_id)
    if subject is not None:
        yield from neighbours_of(subject)


_NEIGHBOURS: dict[str, Neighbours] = {"operations.operation": _of_operation}


def know_neighbours(label: str, neighbours: Neighbours) -> None:
    """Have the panel of a thing ("clusters.cluster") also show what changed on these, which can break it too."""
    _NEIGHBOURS[label] = neighbours


def neighbours_of(about: models.Model) -> Iterable[Subject]:
    """Other things whose changes can break this one, nearest first."""
    known = _NEIGHBOURS.get(about._meta.label_lower)
    return known(about) if known else ()


def thing(label: str, identity: str) -> models.Model | None:
    """The row an event's type and id name; None when it is gone, or is nothing of this product."""
    if not (identity.isascii() and identity.isdigit() and len(identity) < 19):
        return None
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        return None
    found: models.Model | None = model._default_manager.filter(pk=identity).first()
    return found


def around(
    rows: QuerySet[AuditEvent], about: models.Model, *, until: datetime | None, size: int = EVENTS_AROUND
) -> Page:
    """The newest events on the thing and on what can break it, before `until`. One query for each type of neighbour.
    `older` is set when there are more."""
    subjects = [Subject.of(about), *neighbours_of(about)]
    by_type: dict[str, list[str]] = {}
    for subject in subjects[:MOST_NEIGHBOURS]:
        by_type.setdefault(subject.type, []).append(subject.id)
    found: list[AuditEvent] = []
    for label, ids in by_type.items():
        near = matching(rows.filter(object_id__in=ids), Wanted(type=label, until=until))
        found += near.order_by("-at", "-id")[: size + 1]
    found.sort(key=lambda event: (event.at, event.pk), reverse=True)
    return Page(found[:size], older=_last(found[:size]) if len(found) > size else None)
