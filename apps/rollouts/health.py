"""How a workload is, by the last look. Pure."""

from __future__ import annotations

from collections.abc import Mapping

HEALTHY, DEGRADED, DOWN, STOPPED, UPDATING = "healthy", "degraded", "down", "stopped", "updating"


def state_of(observed: Mapping[str, int], wanted: int) -> str:
    """The state of one that nothing is being done to: all serve, some do, none does, or none should."""
    if wanted == 0:
        return STOPPED if not observed.get("pods") else UPDATING
    available = observed.get("available", 0)
    if available >= wanted:
        return HEALTHY
    return DEGRADED if available else DOWN
