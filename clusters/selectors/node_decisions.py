"""Decisions about nodes in words, for the node's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.healing.nodes import SUGGESTED_FOR
from clusters.models import Cluster, NodeDecision

SHOWN = 10
_STATES = {"lost": "down", "hold": "degraded", "wait": "paused", "back": "healthy"}


@dataclass(frozen=True)
class Shown:
    """One decision as the page shows it."""

    row: NodeDecision
    state: str
    why: str
    evidence: list[str]

    @property
    def waits_for_fencing(self) -> bool:
        """Whether a person has to say that the machine is off: for pods with an identity, or as the second witness."""
        if self.row.why == "no-second":
            return timezone.now() - self.row.last_at <= SUGGESTED_FOR
        return self.row.action == "lost" and self.row.ended_at is None and self.row.fenced_at is None


def of_node(cluster: Cluster, node: str) -> list[Shown]:
    """The newest ones."""
    rows = NodeDecision.objects.filter(cluster=cluster, node=node)[:SHOWN]
    return [Shown(row, _STATES.get(row.action, "unknown"), why(row), _evidence(row)) for row in rows]


def why(row: NodeDecision) -> str:
    """The reason as one sentence."""
    texts = {
        "witnesses": _("It does not answer, and at least two witnesses say so."),
        "one-witness": _(
            "It does not answer the portal, but nobody else says that it is gone: nothing is done."
        ),
        "no-second": _(
            "Its agent does not report any more, but the portal has no second witness on this cluster: its access may"
            " not ask through the API server's proxy. Look at the machine, and say so when it is off."
        ),
        "renewed": _("It does not answer the portal, but its agent goes on reporting: nothing is done."),
        "storm": _(
            "Too many nodes are out of reach at once: that is more likely the network. Nothing is done."
        ),
        "portal": _("Most nodes of most clusters are out of reach: it may be the portal. Nothing is done."),
        "gateway": _(
            "The portal reaches neither its gateway nor another address of its own network: it is cut off itself."
            " Nothing is done."
        ),
        "api": _("The API server does not answer: nothing can be done now."),
        "returned": _("It answers again and is ready."),
    }
    return texts.get(row.why, row.why)


def witness_texts(witnesses: Iterable[Mapping[str, Any]]) -> list[str]:
    """What each witness said."""
    texts = {
        "probe": _("Portal: neither its agent nor SSH answered, %(what)s times in a row."),
        "peer": _("%(what)s cannot reach it either."),
        "lease": _("Its lease of %(what)s s is overdue."),
        "proxy": _("%(what)s cannot reach its agent either."),
        "person": _("%(what)s says that the machine is off."),
        "condition": _("API server: its Ready condition is %(what)s."),
    }
    found = []
    for each in witnesses:
        text = texts.get(str(each.get("who")), "%(what)s")
        found.append(text % {"what": each.get("what", "")})
    return found


def _evidence(row: NodeDecision) -> list[str]:
    found = witness_texts(row.witnesses)
    words = {
        "replaced": _("Replaced at once: %(pods)s"),
        "waiting": _("Waiting until the machine is known to be off: %(pods)s"),
        "asked": _("Waiting for consent: %(pods)s"),
        "left": _("Left alone: %(pods)s"),
    }
    for key, text in words.items():
        if row.outcome.get(key):
            found.append(text % {"pods": ", ".join(row.outcome[key])})
    if row.fencing.get("operation"):
        found.append(_fencing(row))
    if row.outcome.get("problem"):
        found.append(str(row.outcome["problem"]))
    return found


def _fencing(row: NodeDecision) -> str:
    """How powering the machine off went."""
    number = {"number": f"op-{row.fencing['operation']}"}
    if "off" not in row.fencing:
        return _("The machine is being powered off: %(number)s") % number
    if row.fencing["off"]:
        return _("The machine was powered off and says so: %(number)s") % number
    why = {"why": row.fencing.get("problem", "")}
    return _("The machine could not be powered off (%(number)s): %(why)s") % {**number, **why}
