"""Periodic work as rows: `ensure_due` writes one, `dispatch` wakes a worker for each row whose turn has come.

A job is named by its dotted path and must be a function of the product: a row is data, and may not name anything else.
A row that cannot be dispatched is logged and moved on; the others are not kept waiting.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.module_loading import import_string

from kcloud_site.audit.chain import plain
from kcloud_site.operations import queue, schedule
from kcloud_site.operations.models import DueRow

_log = logging.getLogger(__name__)


def ensure_due(*, name: str, job: str, every: int, arguments: dict[str, Any] | None = None) -> DueRow:
    """Have `job` called with `arguments` every `every` seconds, first now. Again: the row is updated."""
    if every < 1:
        raise ValueError(f"{name}: every must be at least 1 second, not {every}")
    resolve(job)
    row, _made = DueRow.objects.get_or_create(
        name=name,
        defaults={"job": job, "every": every, "arguments": plain(arguments or {}), "due_at": timezone.now()},
    )
    wanted = {"job": job, "every": every, "arguments": plain(arguments or {})}
    if any(getattr(row, field) != value for field, value in wanted.items()):
        DueRow.objects.filter(pk=row.pk).update(**wanted)
        row.refresh_from_db()
    return row


def remove_due(*, name: str) -> None:
    """Stop calling it."""
    DueRow.objects.filter(name=name).delete()


def resolve(job: str) -> Callable[..., Any]:
    """The function a row names. Raises ImportError for anything that is not a function of the product's own apps."""
    ours = {config.name for config in apps.get_app_configs() if _is_ours(config.path)}
    if not any(job.startswith(f"{name}.") for name in ours):
        raise ImportError(f"{job} is not a function of this product")
    function = import_string(job)
    if not callable(function):
        raise ImportError(f"{job} is not a function")
    return function  # type: ignore[no-any-return]


def _is_ours(path: str) -> bool:
    return path.startswith(f"{settings.BASE_DIR}/") and "site-packages" not in path


def due_rows(now: datetime) -> list[DueRow]:
    """Rows whose turn has come, longest waiting first; also rows that a clock set back has pushed far away."""
    far = Q(due_at__gt=now + timedelta(days=1))
    rows = DueRow.objects.filter(Q(due_at__lte=now) | far, enabled=True).order_by("due_at")
    return [row for row in rows if schedule.is_due(row.due_at, row.every, now)]


def next_turn() -> datetime | None:
    """When the next row is due."""
    return DueRow.objects.filter(enabled=True).order_by("due_at").values_list("due_at", flat=True).first()


def dispatch(now: datetime) -> int:
    """Wake a worker for each due row; answers how many. A row is moved on by a conditional update: never twice."""
    return sum(_dispatch_one(row, now) for row in due_rows(now))


def _dispatch_one(row: DueRow, now: datetime) -> bool:
    try:
        with transaction.atomic():
            moved = DueRow.objects.filter(pk=row.pk, due_at=row.due_at, enabled=True).update(
                due_at=schedule.next_due(row.due_at, row.every, now), last_at=now
            )
            if not moved:
                return False
            queue.wake_job(row.name, row.job, dict(row.arguments))
        return True
    except Exception:
        _log.exception("due row %s cannot be dispatched", row.name)
        _move_on(row, now)
        return False


def _move_on(row: DueRow, now: datetime) -> None:
    """A row that cannot be dispatched waits for its next turn; the failure must not reach the other rows."""
    try:
        DueRow.objects.filter(pk=row.pk, due_at=row.due_at).update(
            due_at=now + timedelta(seconds=min(max(row.every, 1), 60)), last_at=F("last_at")
        )
    except Exception:
        _log.exception("due row %s cannot be moved on", row.name)
