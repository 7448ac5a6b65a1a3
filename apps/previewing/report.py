"""The preview itself: what pages and programs show. Texts are Problems: said in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clusters.problems import Problem

CREATE, CHANGE, SAME, DELETE, REFUSED = "create", "change", "same", "delete", "refused"
WHATS = (CREATE, CHANGE, SAME, DELETE, REFUSED)
BLOCK, WARN, PASS = "block", "warn", "pass"


@dataclass(frozen=True)
class FieldChange:
    """One field that would differ, both values as JSON; None: not there."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class ObjectChange:
    """One object: what becomes of it, and in what it would differ. `why`: the server's words when it is refused."""

    kind: str
    name: str
    what: str
    fields: tuple[FieldChange, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Finding:
    """One thing checked: BLOCK keeps the deployment from being made, WARN is worth a thought, PASS is well."""

    level: str
    problem: Problem


def finding(
    level: str, code: str, text: str, told: Mapping[str, str | int] | None = None, fix: str = ""
) -> Finding:
    """One thing checked: what and why in `text`, what to do in `fix`, their places filled by `told`."""
    return Finding(level, Problem("", code, text, fix, dict(told or {})))


@dataclass(frozen=True)
class Use:
    """One resource of the quota: used now, at the height of the rollout, afterwards, of how much; cores, bytes."""

    resource: str
    now: float
    peak: float
    after: float
    hard: float

    @property
    def lacking(self) -> float:
        """How much there would have to be more at the height of the rollout."""
        return max(0.0, self.peak - self.hard)


@dataclass(frozen=True)
class Restart:
    """Which pods are made anew. `replaced`: how many of those there are now; `made`: how many new ones; `because`: the
    fields of the pod that differ."""

    replaced: int = 0
    made: int = 0
    surge: int = 0
    unavailable: int = 0
    because: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preview:
    """All of it. `against`: why nodes take no pod, and how many nodes each reason holds for."""

    objects: tuple[ObjectChange, ...]
    restart: Restart
    findings: tuple[Finding, ...]
    uses: tuple[Use, ...] = ()
    against: tuple[tuple[str, int], ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether something keeps it from being deployed."""
        return any(each.level == BLOCK for each in self.findings)

    @property
    def level(self) -> str:
        """The worst of all findings."""
        levels = {each.level for each in self.findings}
        return next((each for each in (BLOCK, WARN) if each in levels), PASS)

    @property
    def changes_nothing(self) -> bool:
        return all(each.what == SAME for each in self.objects)

    def count(self, what: str) -> int:
        """How many objects meet that."""
        return sum(1 for each in self.objects if each.what == what)
