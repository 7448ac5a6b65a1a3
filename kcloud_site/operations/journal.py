"""Every write a worker makes to the operation it holds: in one transaction, under its fencing number.

A write first updates the operation's row where the number is still ours; when that touches no row, LeaseLost is raised
and nothing is written. The update also renews the lease and, on PostgreSQL, locks the row: nobody takes over between.

Log lines are gathered and written with the next write, at the latest after FLUSH_AFTER seconds: five hundred lines cost
some tens of transactions. Their numbers are given at once; a worker that dies first has given them to nobody.

`point(name)` marks the places between two writes. Nothing listens in production; the kill tests do (`listeners`).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from kcloud_site.audit.chain import clean
from kcloud_site.operations import leases
from kcloud_site.operations.errors import LeaseLost
from kcloud_site.operations.models import LogLine, Operation, State

FLUSH_AFTER = 0.1
FLUSH_LINES = 250
LONGEST_LINE = 16_000

listeners: list[Callable[[str], None]] = []


def point(name: str) -> None:
    """A place where a worker may die without harm."""
    for listener in listeners:
        listener(name)


@dataclass(frozen=True)
class Signs:
    """What the row says about us: whether cancelling was asked for, whether the operation is still ours."""

    cancelled: bool
    lost: bool


class Journal:
    """The one writer of an operation. May be used from several threads; a lock keeps lines and writes in order."""

    def __init__(self, operation: Operation, *, patience: float = 0.2) -> None:
        """`patience`: seconds for which an answer of `signs` is good enough; 0 asks each time."""
        self.operation_id = operation.pk
        self.fencing = operation.fencing
        self.last_line = operation.last_line
        self._patience = patience
        self._lock = threading.RLock()
        self._lines: list[LogLine] = []
        self._gathered_at = 0.0
        self._renewed_at = time.monotonic()
        self._signs = Signs(cancelled=operation.cancel_requested_at is not None, lost=False)
        self._signs_at = time.monotonic()

    @contextmanager
    def writing(self, name: str, **changes: Any) -> Iterator[None]:
        """A transaction that holds the operation; `changes` are fields of its row. Raises LeaseLost."""
        with self._lock:
            point(f"before {name}")
            with transaction.atomic():
                self._hold(changes)
                yield
            self._lines.clear()
            self._renewed_at = time.monotonic()
            point(f"after {name}")

    def _hold(self, changes: dict[str, Any]) -> None:
        fields = {"last_line": self.last_line, "lease_until": Now() + leases.LENGTH, **changes}
        if self._lines or changes:
            fields["last_event_at"] = Now()
        ours = Operation.objects.filter(pk=self.operation_id, fencing=self.fencing, state=State.RUNNING)
        if not ours.update(**fields):
            self._signs = Signs(self._signs.cancelled, lost=True)
            raise LeaseLost(f"op-{self.operation_id}: fencing number {self.fencing} is old")
        LogLine.objects.bulk_create(self._lines, batch_size=FLUSH_LINES)

    def log(self, text: str, *, step: str = "", target: str = "", level: str = "info") -> int:
        """Gather lines; answers the number of the last. Written at the next write, or when enough have come."""
        now: datetime = timezone.now()
        with self._lock:
            for line in clean(text).splitlines() or [""]:
                self._gathered_at = self._gathered_at if self._lines else time.monotonic()
                self.last_line += 1
                self._lines.append(
                    LogLine(
                        operation_id=self.operation_id,
                        number=self.last_line,
                        at=now,
                        step=step,
                        target=target[:100],
                        level=level,
                        text=line[:LONGEST_LINE],
                    )
                )
            number = self.last_line
            if len(self._lines) >= FLUSH_LINES:
                self.flush()
            else:
                self.flush_if_old()
            return number

    def flush(self) -> None:
        """Write the gathered lines, if any."""
        with self._lock:
            if self._lines:
                with self.writing("lines"):
                    pass

    def flush_if_old(self) -> None:
        """Write the gathered lines when the oldest has waited long enough."""
        with self._lock:
            if self._lines and time.monotonic() - self._gathered_at >= FLUSH_AFTER:
                self.flush()

    def renew(self) -> None:
        """Keep the lease, unless another write just did. Raises LeaseLost."""
        with self._lock:
            if time.monotonic() - self._renewed_at >= leases.HEARTBEAT.total_seconds():
                with self.writing("heartbeat"):
                    pass

    def signs(self) -> Signs:
        """Ask the row whether to go on; an answer younger than `patience` is not asked for again."""
        if self._signs.lost or time.monotonic() - self._signs_at < self._patience:
            return self._signs
        row = (
            Operation.objects.filter(pk=self.operation_id)
            .values_list("fencing", "state", "cancel_requested_at")
            .first()
        )
        lost = row is None or row[0] != self.fencing or row[1] != State.RUNNING
        self._signs = Signs(cancelled=row is not None and row[2] is not None, lost=lost)
        self._signs_at = time.monotonic()
        return self._signs
