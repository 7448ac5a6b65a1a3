"""Whether a node is lost, by at least two witnesses, and whether anything may be done about it now.

`decide(now, view)` answers one verdict for every node that is not simply well. Witness one is always the portal's own
probe: neither the agent's port nor SSH answers, several times in a row. A second one has to agree: a host beside it
that cannot reach it either, a lease that is overdue, or the API server's own Ready condition. A lease renewed after the
probes began to fail says that the node lives, whoever says otherwise.

The storm brake counts every node the probe does not reach, confirmed or not: above max(1, 20 %) nothing is done at all,
because then it is more likely the network than the machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

MISSES = 2
# So long after the last look a person may agree to what was suggested for want of a second witness.
SUGGESTED_FOR = timedelta(seconds=60)
SHARE = 0.2
# A peer's word counts this long; then it is asked again.
PEER_FRESH = timedelta(seconds=10)
# Agents renew four times within a lease's length; one missed turn and a second is overdue.
RENEWALS, SLACK = 4, timedelta(seconds=1)

Action = Literal["wait", "hold", "lost", "back"]
Why = Literal[
    "one-witness", "no-second", "renewed", "storm", "portal", "gateway", "api", "witnesses", "returned"
]
# Why the portal itself may be cut off: most clusters, or its own network's addresses, are silent; empty: it is not.
Suspicion = Literal["", "portal", "gateway"]
Says = Literal["probe", "peer", "lease", "condition", "proxy", "person"]


@dataclass(frozen=True)
class Witness:
    """One that says the node is gone: who (`probe`, `peer`, `lease`, `condition`, `proxy` of the API server, `person`),
    on what ground, since when."""

    who: Says
    what: str
    since: datetime | None = None


@dataclass(frozen=True)
class Peer:
    """What a host beside the node said when asked to reach it."""

    name: str
    reaches: bool
    at: datetime


@dataclass(frozen=True)
class Observation:
    """What is known of one node. `failing_since`: the first of an unbroken row of failed probes (None: it answers);
    `lease_at`, `lease_seconds`: last renewed, and its length; `known_lost`: acted on already."""

    node: str
    misses: int = 0
    failing_since: datetime | None = None
    peer: Peer | None = None
    lease_at: datetime | None = None
    lease_seconds: int = 40
    ready: str = "Unknown"
    known_lost: bool = False


@dataclass(frozen=True)
class View:
    """One cluster at a moment. `api_answers`: the API server was asked about every failing node and answered."""

    nodes: Sequence[Observation]
    api_answers: bool = True
    portal_suspect: Suspicion = ""


@dataclass(frozen=True)
class Verdict:
    """What to do about one node, and why: `lost` is to be acted on, `back` undoes, `hold` is an alert, `wait` looks
    on."""

    node: str
    action: Action
    why: Why
    witnesses: tuple[Witness, ...] = ()


def decide(now: datetime, view: View) -> list[Verdict]:
    """By node name; nodes that are well and those already acted on that are still gone have none."""
    found = [_judge(now, each, view) for each in sorted(view.nodes, key=lambda each: each.node)]
    verdicts = [each for each in found if each is not None]
    if not _is_storm(view):
        return verdicts
    return [
        Verdict(each.node, "hold", "storm", each.witnesses) if each.action == "lost" else each
        for each in verdicts
    ]


def is_calm(view: View) -> bool:
    """Whether a machine may be powered off now: no storm, the API server answers, the portal is not cut off."""
    return view.api_answers and not view.portal_suspect and not _is_storm(view)


def _is_storm(view: View) -> bool:
    return failing(view.nodes) > most_at_once(len(view.nodes))


def most_at_once(nodes: int) -> int:
    """How many nodes of so many may be gone for anything to be done about it."""
    return max(1, int(nodes * SHARE))


def failing(nodes: Iterable[Observation]) -> int:
    """How many nodes the probe does not reach, or were acted on and are not back."""
    return sum(1 for each in nodes if each.known_lost or each.misses >= MISSES)


def is_suspect(clusters: Iterable[tuple[int, int]]) -> bool:
    """Whether the portal's own network is the likelier cause: of several clusters, (nodes, not reached) each, more than
    half have most of their nodes out of reach."""
    shares = [missing * 2 > nodes for nodes, missing in clusters if nodes]
    return len(shares) > 1 and sum(shares) * 2 > len(shares)


def _judge(now: datetime, node: Observation, view: View) -> Verdict | None:
    if node.failing_since is None:
        returned = node.known_lost and node.ready == "True" and not _overdue(now, node)
        return Verdict(node.node, "back", "returned") if returned else None
    if node.misses < MISSES or node.known_lost:
        return None
    witnesses = _witnesses(now, node)
    if view.portal_suspect:
        return Verdict(node.node, "hold", view.portal_suspect, witnesses)
    if not view.api_answers:
        return Verdict(node.node, "hold", "api", witnesses)
    if node.lease_at is not None and node.lease_at > node.failing_since:
        return Verdict(node.node, "wait", "renewed", witnesses[:1])
    if len(witnesses) < 2:
        return Verdict(node.node, "wait", "one-witness", witnesses)
    return Verdict(node.node, "lost", "witnesses", witnesses)


def _witnesses(now: datetime, node: Observation) -> tuple[Witness, ...]:
    found = [Witness("probe", str(node.misses), node.failing_since)]
    if _peer_agrees(now, node) and node.peer is not None:
        found.append(Witness("peer", node.peer.name, node.peer.at))
    if _overdue(now, node):
        found.append(Witness("lease", str(node.lease_seconds), node.lease_at))
    if node.ready != "True":
        found.append(Witness("condition", node.ready))
    return tuple(found)


def _peer_agrees(now: datetime, node: Observation) -> bool:
    """One that was asked after the probes began to fail, and not too long ago."""
    peer, since = node.peer, node.failing_since
    return (
        peer is not None
        and since is not None
        and not peer.reaches
        and peer.at >= since
        and now - peer.at <= PEER_FRESH
    )


def _overdue(now: datetime, node: Observation) -> bool:
    """Not renewed for longer than one missed turn. No lease at all says nothing."""
    if node.lease_at is None:
        return False
    return now - node.lease_at > 2 * timedelta(seconds=node.lease_seconds / RENEWALS) + SLACK
