"""What every store of log lines offers. Pure: the Kubernetes API, VictoriaLogs and others stand behind it."""

from __future__ import annotations

from typing import Protocol

from apps.loglines.query import LogPage, Query


class LogStore(Protocol):
    """The lines of one application in one environment."""

    def read(self, query: Query) -> LogPage:
        """One page. Raises ClusterError's kinds when nothing can be read at all, PatternTooSlow when the filter takes
        too long; a single stream that cannot be read is told in the page."""
        ...
