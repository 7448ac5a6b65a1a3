"""Whole pools of workers, with or without the clock, as real processes."""

from contextlib import contextmanager
from pathlib import Path

from kcloud_site.operations import queue, services
from kcloud_site.operations.clock import Clock
from kcloud_site.operations.processes import start_time
from kcloud_site.operations.services import Subject
from tests.operations import processes


def request(number=1):
    return services.request_operation(
        kind="test.work", subject=Subject("clusters.cluster", str(number), "east"), by=None, inputs={}
    )


def descendants(pid):
    """All processes below this one, nearest first."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += [int(child), *descendants(int(child))]
    return found


def gone(pids):
    return all(start_time(pid) is None for pid in pids)


@contextmanager
def running(*works):
    """Processes that are gone after the block, with all they started."""
    pids = [processes.fork(work) for work in works]
    try:
        yield pids
    finally:
        left = [pid for top in pids if start_time(top) for pid in descendants(top)]
        for pid in pids:
            if start_time(pid) is not None:
                processes.kill(pid)
        processes.until(lambda: gone(left))


@contextmanager
def pool_and_clock():
    with pool() as served, running(lambda: Clock().run()) as (clock,):
        yield served, clock


@contextmanager
def pool():
    with running(lambda: queue.serve("default")) as (served,):
        processes.until(lambda: len(descendants(served)) >= 5)  # sentinel, workers, monitor, pusher
        yield served


def ended(operation):
    operation.refresh_from_db()
    return not operation.is_active
