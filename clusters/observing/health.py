"""Whether a cluster does what it should, judged from what is known about its nodes. Pure.

healthy: every node is ready. degraded: it serves, but nodes are not ready, a node is under pressure, or network
policies do not hold on one.
down: no node is ready, or the API server does not answer. unknown: nothing has been seen yet. A cordoned
node is no fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clusters.observing.nodes import NodeStatus, names

HEALTHY, DEGRADED, DOWN, UNKNOWN = "healthy", "degraded", "down", "unknown"
SHOWN = 5
UNGUARDED = "Network policies are not kept on"


@dataclass(frozen=True)
class Health:
    """A verdict: the state, and a sentence that says why ("" when all is well)."""

    state: str
    reason: str = ""


def judge(nodes: Iterable[NodeStatus], unguarded: Iterable[str] = ()) -> Health:
    """The verdict on a cluster whose API server answers. `unguarded`: nodes whose policy agent is silent."""
    all_nodes = list(nodes)
    if not all_nodes:
        return Health(UNKNOWN, "The API server answers, but has no nodes.")
    away = [each for each in all_nodes if each.ready.status != "True"]
    if len(away) == len(all_nodes):
        return Health(DOWN, f"None of {len(all_nodes)} nodes is ready.")
    if away:
        return Health(DEGRADED, f"{len(away)} of {len(all_nodes)} nodes not ready: {listed(names(away))}.")
    open_nodes = sorted({each.name for each in all_nodes} & set(unguarded))
    if open_nodes:
        return Health(DEGRADED, f"{UNGUARDED} {listed(open_nodes)}.")
    pressed = [each for each in all_nodes if each.pressures]
    if pressed:
        words = [f"{each.name} ({', '.join(one.type for one in each.pressures)})" for each in pressed]
        return Health(DEGRADED, f"Nodes under pressure: {listed(sorted(words))}.")
    return Health(HEALTHY)


def unreachable(why: str) -> Health:
    """The verdict on a cluster whose API server does not answer."""
    return Health(DOWN, why)


def listed(words: list[str]) -> str:
    """The first few, and how many more."""
    rest = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
