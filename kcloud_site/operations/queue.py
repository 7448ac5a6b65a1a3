"""The door to django-q2, which carries wake-ups and nothing else: the id of an operation, the name of a due job.

A wake-up may be lost, doubled or late without harm: the rows are the truth, the clock wakes again what was lost.
`serve` runs a pool of workers such that SIGKILL of any of its processes neither wedges the pool nor leaves a stray.
"""

import ctypes
import logging
import os
import signal
from typing import Any

import django_q.cluster
from django.db import transaction
from django_q.cluster import Cluster
from django_q.conf import Conf
from django_q.queues import Queue
from django_q.tasks import async_task

from kcloud_site.operations import robust

QUEUES = ("default", "provisioning")
NAME_VARIABLE = "Q_CLUSTER_NAME"
_PR_SET_PDEATHSIG = 1
_log = logging.getLogger(__name__)


def wake(operation_id: int, queue: str) -> None:
    """Tell the workers of a queue that this operation is theirs to claim. Raises what the broker raises."""
    async_task(
        "kcloud_site.operations.jobs.run_operation", operation_id, cluster=queue, save=False, ack_failure=True
    )


def wake_after_commit(operation_id: int, queue: str) -> None:
    """The same once the present transaction is kept; a broker that is away costs nothing but a moment."""
    transaction.on_commit(lambda: _try(operation_id, queue), robust=True)


def _try(operation_id: int, queue: str) -> None:
    try:
        wake(operation_id, queue)
    except Exception:
        _log.warning("op-%s: the queue is away; the clock will wake it", operation_id, exc_info=True)


def wake_job(name: str, job: str, arguments: dict[str, Any]) -> None:
    """Have a worker of the default queue run a due job."""
    async_task(
        "kcloud_site.operations.jobs.run_due",
        name,
        job,
        arguments,
        cluster="default",
        save=False,
        ack_failure=True,
    )


class _RobustQueue(Queue):
    """The pool's queue, whose locks the kernel opens when their holder is killed."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._rlock, self._wlock = robust.Lock(), robust.Lock()


def serve(queue: str) -> None:
    """Run this process's pool of workers for one queue, until SIGTERM. The environment must name the queue already,
    for django-q2 reads it when it is imported (ValueError otherwise)."""
    if queue != Conf.CLUSTER_NAME:
        raise ValueError(f"this process was started for queue {Conf.CLUSTER_NAME}, not {queue}")
    django_q.cluster.Queue = _RobustQueue
    libc = ctypes.CDLL(None)
    # The pool's processes go when the one that started them goes: a stray would swallow wake-ups.
    os.register_at_fork(after_in_child=lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
    pool = Cluster()
    # To stop is to die: work in hand is taken over at once, as after SIGKILL. django-q2's own way waits for locks that
    # a killed process holds, and for operations that run for hours.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: os._exit(0))
    pool.start()
    pool.sentinel.join()
    raise RuntimeError("the guard of the pool has died; start the worker again")
