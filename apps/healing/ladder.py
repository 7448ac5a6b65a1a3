"""Which step heals a workload now, and whether it may be taken: ladder, consents, cooldown and storm brake. Pure.

`decide(now, observation, history, consents)` answers one decision or None (nothing is wrong). Rungs climb from what
costs least: restart; back to the release that last worked; more memory after a pod was ended for it (a figure, to be
approved); then only a person can help (alert). A rung that was tried for this release is not tried again. Each has a
mode: `automatic` acts, `approve` and `suggest` wait for a person. An action rests COOLDOWN after the one before; above
`most_at_once` workloads being healed on a cluster nothing more begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Rung = Literal["node-loss", "drift", "stuck-pod", "restart", "return", "memory", "alert"]
Mode = Literal["suggest", "approve", "automatic"]
Why = Literal["crash-loop", "out-of-memory", "cooldown", "storm", "busy", "returned", "exhausted"]
Verdict = Literal["act", "ask", "hold", "alert"]

RUNGS: tuple[Rung, ...] = ("node-loss", "drift", "stuck-pod", "restart", "return", "memory")
COOLDOWN = timedelta(minutes=5)
# A pod's own restarts by its agent come first: from this many on a container counts as looping.
RESTARTS = 3
MOST_AT_ONCE, SHARE = 3, 0.2
MORE_MEMORY, MOST_MEMORY = 1.5, 64 * 1024**3
_MEBIBYTE = 1024**2


@dataclass(frozen=True)
class Observation:
    """What is seen of a workload. `looping`: containers that start again and again, `oom`: of these ended for memory;
    `memory`: their limit in bytes (0: none). `busy`: an operation is at work on it."""

    release: int
    looping: tuple[str, ...] = ()
    oom: bool = False
    memory: int = 0
    restarts: int = 0
    has_good_release: bool = False
    busy: bool = False


@dataclass(frozen=True)
class Past:
    """An earlier decision about this workload that was carried out or is waiting for a person."""

    rung: Rung
    release: int
    at: datetime
    open: bool = False


@dataclass(frozen=True)
class Decision:
    """`act`: carry the rung out; `ask`: put it to a person; `hold`: not now, until when; `alert`: no rung is left."""

    verdict: Verdict
    rung: Rung
    why: Why
    mode: Mode = "automatic"
    until: datetime | None = None
    memory: int = 0


def defaults(*, protected: bool) -> dict[Rung, Mode]:
    """What is consented to where nobody chose: releases of protected environments change only when a person agrees."""
    return {
        "node-loss": "automatic",
        "drift": "automatic",
        "stuck-pod": "automatic",
        "restart": "automatic",
        "return": "approve" if protected else "automatic",
        "memory": "suggest",
    }


def decide(
    now: datetime,
    observation: Observation,
    history: Sequence[Past],
    consents: Mapping[Rung, Mode],
    *,
    healing: int = 0,
    workloads: int = 1,
) -> Decision | None:
    """The next step for a workload whose pods keep ending; None when they do not, or one waits for a person's word.
    `healing` of `workloads` on its cluster are being healed now."""
    if not observation.looping or observation.restarts < RESTARTS:
        return None
    why: Why = "out-of-memory" if observation.oom else "crash-loop"
    rung = next_rung(observation, history)
    if any(each.open and each.rung == rung for each in history):
        return None
    if rung == "alert":
        return Decision("alert", rung, "exhausted")
    if observation.busy:
        return Decision("hold", rung, "busy")
    mode = consents.get(rung, "suggest")
    more = more_memory(observation.memory) if rung == "memory" else 0
    if mode != "automatic":
        return Decision("ask", rung, why, mode, memory=more)
    last = max((each.at for each in history if not each.open), default=None)
    if last is not None and now - last < COOLDOWN:
        return Decision("hold", rung, "cooldown", until=last + COOLDOWN)
    if healing >= most_at_once(workloads):
        return Decision("hold", rung, "storm")
    return Decision("act", rung, why, mode, memory=more)


def next_rung(observation: Observation, history: Sequence[Past]) -> Rung:
    """The lowest that fits and was not tried for this release. Restarting what ran out of memory only repeats it."""
    tried = {each.rung for each in history if each.release == observation.release and not each.open}
    fitting: list[Rung] = [] if observation.oom else ["restart"]
    if observation.has_good_release:
        fitting.append("return")
    if observation.oom and observation.memory:
        fitting.append("memory")
    return next((each for each in fitting if each not in tried), "alert")


def most_at_once(workloads: int) -> int:
    """How many workloads of so many may be healed at a time."""
    return max(MOST_AT_ONCE, int(workloads * SHARE))


def more_memory(limit: int) -> int:
    """Half as much again, in whole mebibytes."""
    wanted = min(int(limit * MORE_MEMORY), MOST_MEMORY)
    return -(-wanted // _MEBIBYTE) * _MEBIBYTE
