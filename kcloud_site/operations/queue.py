"""The door to django-q2, which carries wake-ups and nothing else: the id of an operation, the name of a due job.

A wake-up may be lost, doubled or late without harm: the rows are the truth, the clock wakes again what was lost.
"""

import logging
from typing import Any

from django.db import transaction
from django_q.tasks import async_task

QUEUES = ("default", "provisioning")
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
    async_task("kcloud_site.operations.jobs.run_due", name, job, arguments, save=False, ack_failure=True)
