"""The thread beside a running operation: renews its lease and writes log lines that have waited.

It has a database connection of its own. A database that is locked or away for a moment is tried again; only a lost
lease ends the thread early, and the step learns of it from `StepContext.check()` or at its next write.
"""

import logging
import threading
from types import TracebackType

from django.db import DatabaseError, InterfaceError, connections

from kcloud_site.operations.errors import LeaseLost
from kcloud_site.operations.journal import FLUSH_AFTER, Journal

_log = logging.getLogger(__name__)


class Heartbeat:
    """`with Heartbeat(journal): …` keeps the operation ours while the block runs."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._ended = threading.Event()
        self._thread = threading.Thread(
            target=self._beat, name=f"heartbeat-{journal.operation_id}", daemon=True
        )

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._ended.wait(FLUSH_AFTER):
                try:
                    self._journal.flush_if_old()
                    self._journal.renew()
                except LeaseLost:
                    return
                except (DatabaseError, InterfaceError):
                    _log.warning("op-%s: heartbeat not written", self._journal.operation_id, exc_info=True)
                    connections.close_all()
        finally:
            connections.close_all()
