"""Whether a node of an imported cluster is lost, where the portal reaches nothing but the API server. Pure.

Witness one is the node's lease: not renewed for longer than one missed turn, by the portal's own clock since it last
saw another time in it (the node's clock may be wrong). Witness two is the API server's proxy, asked for the agent's
health: it cannot reach it either. An agent that answers there lives, whoever says otherwise. Where the proxy cannot be
asked there is no second witness, so it is only suggested. The storm brake is that of all clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from clusters.healing.nodes import RENEWALS, SLACK, Verdict, Witness, most_at_once

# What the proxy said: its agent answered, it cannot be reached, or the portal may not ask.
Answer = Literal["answered", "silent", "refused"]


@dataclass(frozen=True)
class Seen:
    """What is known of one node. `changed_at`: when the portal last saw its lease change; `proxy`: the answer since
    then and when, None before it was asked."""

    node: str
    changed_at: datetime
    lease_seconds: int = 40
    ready: str = "Unknown"
    proxy: tuple[Answer, datetime] | None = None
    known_lost: bool = False


def is_overdue(now: datetime, seen: Seen) -> bool:
    """Whether it has missed one turn and a second."""
    return now - seen.changed_at > 2 * timedelta(seconds=seen.lease_seconds / RENEWALS) + SLACK


def decide(now: datetime, nodes: Sequence[Seen]) -> list[Verdict]:
    """By node name; see clusters.healing.nodes.decide."""
    found = [_judge(now, each) for each in sorted(nodes, key=lambda each: each.node)]
    verdicts = [each for each in found if each is not None]
    gone = sum(1 for each in nodes if each.known_lost or is_overdue(now, each))
    if gone <= most_at_once(len(nodes)):
        return verdicts
    return [
        Verdict(each.node, "hold", "storm", each.witnesses) if each.action in ("lost", "hold") else each
        for each in verdicts
    ]


def _judge(now: datetime, seen: Seen) -> Verdict | None:
    if not is_overdue(now, seen):
        returned = seen.known_lost and seen.ready == "True"
        return Verdict(seen.node, "back", "returned") if returned else None
    if seen.known_lost or seen.proxy is None:
        return None
    said, at = seen.proxy
    lease = Witness("lease", str(seen.lease_seconds), seen.changed_at)
    if said == "answered":
        return Verdict(seen.node, "wait", "one-witness", (lease,))
    if said == "refused":
        return Verdict(seen.node, "hold", "no-second", (lease,))
    return Verdict(seen.node, "lost", "witnesses", (lease, Witness("proxy", "API server", at)))
