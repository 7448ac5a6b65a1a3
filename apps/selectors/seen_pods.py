"""Reads the pods of a workload as the watch saw them last: one question, of one row, however many pods there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.models import SeenPods, Workload

Row = Mapping[str, Any]
STATES = ("down", "pending", "deleting", "healthy")


@dataclass(frozen=True)
class Wanted:
    """A state of STATES, parts of the names of pod and node; empty is any."""

    state: str = ""
    node: str = ""
    q: str = ""


@dataclass(frozen=True)
class Seen:
    """`rows` that are wanted, the unwell first; `counts` by state of the `kept` ones; `total` may be more."""

    rows: Sequence[Row]
    counts: Sequence[tuple[str, int]]
    total: int
    kept: int


def pods_seen(workload: Workload, wanted: Wanted | None = None) -> Seen:
    """The pods that are wanted; None: all."""
    seen = SeenPods.objects.filter(workload_id=workload.pk).first()
    rows: list[Row] = list(seen.rows) if seen else []
    by_state = Counter(state_of(row) for row in rows)
    asked = wanted or Wanted()
    return Seen(
        rows=[row for row in rows if _fits(row, asked)],
        counts=[(state, by_state[state]) for state in STATES],
        total=seen.total if seen else 0,
        kept=len(rows),
    )


def state_of(row: Row) -> str:
    """One of STATES, as a page calls the pod."""
    if row.get("leaving"):
        return "deleting"
    if row.get("ready"):
        return "healthy"
    return "down" if row.get("reason") else "pending"


def _fits(row: Row, wanted: Wanted) -> bool:
    return (
        (not wanted.state or state_of(row) == wanted.state)
        and wanted.node.lower() in str(row.get("node", "")).lower()
        and wanted.q.lower() in str(row.get("name", "")).lower()
    )
