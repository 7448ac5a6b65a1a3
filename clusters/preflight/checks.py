"""Preflight: what is looked at before anything is touched, how each check is judged, and how a judgement
reads. Pure.

A Finding is a check's verdict with the facts it was made from; `facts["code"]` says which of the check's
cases it is. Only facts are stored. `describe(key, verdict, facts, translate)` makes the sentence and the
remedy from them, in the reader's language, so a page in Chinese and one in English show the same row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from clusters.preflight.texts import FALLBACK, TEXTS, TITLES
from clusters.problems import Translate

Verdict = Literal["pass", "warn", "block"]
SEVERITY: tuple[Verdict, ...] = ("block", "warn", "pass")

# In the order a reader wants them: can we get in, is the machine fit, is it free, does it fit with the others.
HOST_CHECKS = (
    "ssh",
    "os",
    "architecture",
    "kernel",
    "features",
    "policies",
    "cgroup",
    "cpu",
    "memory",
    "disk",
    "swap",
    "clock",
    "ports",
    "existing",
    "addresses",
    "identity",
)
PLAN_CHECKS = (
    "bundle",
    "hosts",
    "networks",
    "clocks",
    "quorum",
    "host_loss",
    "region_loss",
    "storage",
)


@dataclass(frozen=True)
class Finding:
    """One check of one host ("" is the plan as a whole)."""

    key: str
    verdict: Verdict
    facts: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""

    @property
    def code(self) -> str:
        """Which of the check's cases this is."""
        return str(self.facts.get("code", ""))


def title(key: str, translate: Translate = str) -> str:
    """The name of a check."""
    return translate(TITLES[key]) if key in TITLES else key


def describe(key: str, verdict: str, facts: Mapping[str, Any], translate: Translate = str) -> tuple[str, str]:
    """What was found and what to do about it ("" when nothing is). Never raises: old rows stay readable."""
    message, remedy = TEXTS.get((key, str(facts.get("code", ""))), FALLBACK.get(verdict, ("", "")))
    filled = _Filled(facts)
    return translate(message).format_map(filled), translate(remedy).format_map(filled) if remedy else ""


class _Filled(dict[str, Any]):
    """Facts for a text; one that is not there shows as a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


def worst(verdicts: list[str]) -> Verdict:
    """The worst of several verdicts; pass when there are none."""
    return next((each for each in SEVERITY if each in verdicts), "pass")
