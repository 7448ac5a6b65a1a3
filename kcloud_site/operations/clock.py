"""The clock: one process among all of them leads, wakes what is due and what was lost.

Any number of clocks may run; one holds the lease "clock", the others wait to take it over. Every tick the leader
dispatches due rows, and now and then sweeps the operations:

- RUNNING with an ended lease: its worker is gone, another is woken. A worker on this machine whose process is gone is
  not waited for. One that lives but is late, because the machine is overloaded, gets STALLED more before that.
- PENDING for longer than a wake-up takes: it was lost, or all workers are busy; woken again, ever more rarely.
"""

import logging
import time
from datetime import datetime, timedelta

from django.db import close_old_connections, connections
from django.db.models import Q
from django.utils import timezone

from kcloud_site.operations import due, leases, processes, queue
from kcloud_site.operations.models import Operation, State

TICK = 0.05
SWEEP = 0.25
STANDBY = 0.25
LOST_WAKE_UP = timedelta(seconds=3)
STALLED = timedelta(seconds=8)
_log = logging.getLogger(__name__)


def ensure_due(*, name: str, job: str, every: int, arguments: dict[str, object] | None = None) -> None:
    """Have `job` (dotted path of a function) called with `arguments` every `every` seconds. See due.ensure_due."""
    due.ensure_due(name=name, job=job, every=every, arguments=arguments)


class Clock:
    """`run()` until `stopping` is set: a plain flag, because a signal handler sets it. Errors of a tick are logged."""

    def __init__(self) -> None:
        self.stopping = False
        self._owner = processes.identity()
        self._held: leases.Held | None = None
        self._renewed_at = 0.0
        self._swept_at = 0.0
        self._wakes = Wakes()

    @property
    def leads(self) -> bool:
        return self._held is not None

    def run(self) -> None:
        """Tick until told to stop, then give the leadership back."""
        while not self.stopping:
            try:
                close_old_connections()
                pause = self.tick()
            except Exception:
                _log.exception("the clock's tick failed; it goes on")
                self._held = None
                connections.close_all()
                pause = STANDBY
            time.sleep(pause)
        if self._held:
            leases.release(self._held)
        connections.close_all()

    def tick(self) -> float:
        """One turn; answers how many seconds to wait for the next."""
        if not self._lead():
            return STANDBY
        now = timezone.now()
        due.dispatch(now)
        if time.monotonic() - self._swept_at >= SWEEP:
            self._swept_at = time.monotonic()
            sweep(self._wakes, now)
        return _pause(due.next_turn())

    def _lead(self) -> bool:
        if self._held is None:
            self._held = leases.acquire(name="clock", owner=self._owner)
            if self._held:
                _log.info("this clock leads")
                self._renewed_at, self._wakes = time.monotonic(), Wakes()
        elif time.monotonic() - self._renewed_at >= leases.HEARTBEAT.total_seconds():
            if not leases.renew(self._held):
                _log.warning("another clock leads now")
                self._held = None
            self._renewed_at = time.monotonic()
        return self._held is not None


def _pause(next_turn: datetime | None) -> float:
    if next_turn is None:
        return TICK
    return min(max((next_turn - timezone.now()).total_seconds(), 0.001), TICK)


class Wakes:
    """How often each operation was woken by the clock, so that a long queue is not filled with the same wake-up."""

    FIRST, LONGEST = 2.0, 60.0

    def __init__(self) -> None:
        self._next: dict[tuple[int, int], tuple[float, float]] = {}

    def may_wake(self, operation: Operation) -> bool:
        """Whether it is time; each time doubles the wait for the next. A new claim starts anew."""
        key, now = (operation.pk, operation.fencing), time.monotonic()
        at, wait = self._next.get(key, (0.0, self.FIRST))
        if now < at:
            return False
        self._next[key] = (now + wait, min(wait * 2, self.LONGEST))
        return True

    def forget_others(self, operations: list[Operation]) -> None:
        """Only the operations that still wait are kept in mind."""
        keys = {(operation.pk, operation.fencing) for operation in operations}
        self._next = {key: value for key, value in self._next.items() if key in keys}


def sweep(wakes: Wakes, now: datetime) -> int:
    """Wake workers for operations nobody is at work on; answers how many."""
    _free_the_dead()
    waiting = _waiting(now)
    wakes.forget_others(waiting)
    woken = 0
    for operation in waiting:
        if not wakes.may_wake(operation):
            continue
        try:
            queue.wake(operation.pk, operation.queue)
            woken += 1
        except Exception:
            _log.exception("op-%s cannot be woken", operation.pk)
    return woken


def _waiting(now: datetime) -> list[Operation]:
    """Operations that need a worker and have none."""
    ended = Q(state=State.RUNNING, lease_until__lt=now)
    lost = Q(state=State.PENDING) & Q(created_at__lt=now - LOST_WAKE_UP)
    rows = Operation.objects.filter(ended | lost).only(
        "queue", "fencing", "state", "lease_owner", "lease_until"
    )
    return [row for row in rows if row.state == State.PENDING or not _only_late(row, now)]


def _only_late(operation: Operation, now: datetime) -> bool:
    """A worker of this machine that lives is not given up at once: taking over would only double the load."""
    ended_for = now - (operation.lease_until or now)
    return ended_for < STALLED and processes.fate(operation.lease_owner) == "alive"


def _free_the_dead() -> None:
    """End the leases of workers of this machine whose process is gone."""
    for operation in Operation.objects.filter(state=State.RUNNING).only("fencing", "state", "lease_owner"):
        if processes.fate(operation.lease_owner) == "dead" and leases.end_lease_of(operation):
            _log.warning("op-%s: its worker has died; another takes over", operation.pk)
