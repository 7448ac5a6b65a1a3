"""What the queue calls. Each function may be called twice, late, or for something long over."""

import logging
from typing import Any

from kcloud_site.audit import verification
from kcloud_site.operations import due, runner, services

_log = logging.getLogger(__name__)


def run_operation(operation_id: int) -> None:
    """A worker was woken for an operation."""
    try:
        runner.run(operation_id)
    except Exception:
        # Nothing more can be written now; its lease ends and the clock wakes another worker.
        _log.exception("op-%s: the worker gave up; it will be taken over", operation_id)


def run_due(name: str, job: str, arguments: dict[str, Any]) -> None:
    """The clock found a due row."""
    try:
        due.resolve(job)(**arguments)
    except Exception:
        _log.exception("due job %s (%s) failed; it is tried again at its next turn", name, job)


def prune() -> None:
    """Daily: details of old operations that succeeded."""
    services.prune()


def check_audit_trail() -> None:
    """Every few minutes: read the chain on, a bounded number of events."""
    verification.go_on()
