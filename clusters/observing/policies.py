"""On which nodes network policies hold, from the leases their agents renew. Pure.

An agent renews its lease (`clusters.manifests.network_policy`) every 10 s as long as it is well, whatever enforces on
that node. A node without a fresh one is unguarded: nothing new reaches its pods, or, on a cluster deployed before
there were agents, everything does. Leases are read as what a stranger says: odd ones count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clusters.manifests.network_policy import WAY_LABEL
from clusters.observing.nodes import moment

# Four beats, and a little for clocks that differ.
FRESH_SECONDS = 45.0


@dataclass(frozen=True)
class Guard:
    """`guarded`: the way ("iptables", "nftables") by node; `unguarded`: names in order."""

    guarded: Mapping[str, str]
    unguarded: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.guarded) + len(self.unguarded)

    @property
    def ways(self) -> list[str]:
        return sorted(set(self.guarded.values()))


def guard(nodes: Iterable[str], leases: Iterable[Mapping[str, Any]], now: datetime) -> Guard:
    """Nodes (by name) sorted by whether an agent has spoken for them lately."""
    alive = dict(spoken for lease in leases if (spoken := _spoken(lease, now)) is not None)
    wanted = sorted(set(nodes))
    return Guard(
        guarded={name: alive[name] for name in wanted if name in alive},
        unguarded=tuple(name for name in wanted if name not in alive),
    )


def _spoken(lease: Mapping[str, Any], now: datetime) -> tuple[str, str] | None:
    metadata, spec = lease.get("metadata"), lease.get("spec")
    if not isinstance(metadata, dict) or not isinstance(spec, dict):
        return None
    renewed = moment(str(spec.get("renewTime", "")))
    if renewed is None or abs((now - renewed).total_seconds()) > FRESH_SECONDS:
        return None
    labels = metadata.get("labels")
    way = labels.get(WAY_LABEL, "") if isinstance(labels, dict) else ""
    return str(metadata.get("name", "")), str(way)[:20]
