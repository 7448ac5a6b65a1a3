"""Decisions of self-healing in words: what was done or not, why, on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from apps.models import HealingDecision, Workload
from clusters.observing.nodes import moment
from clusters.selectors.node_decisions import witness_texts

SHOWN = 50
_STATES = {
    "open": "approval",
    "done": "succeeded",
    "declined": "cancelled",
    "failed": "failed",
    "held": "paused",
    "alert": "degraded",
}


@dataclass(frozen=True)
class Shown:
    """One decision as a page and the API show it."""

    row: HealingDecision
    state: str
    why: str
    evidence: list[str]
    until: Any = None

    @property
    def is_open(self) -> bool:
        return self.row.state == HealingDecision.State.OPEN


def decisions_of(workload: Workload) -> QuerySet[HealingDecision]:
    """Newest first."""
    return HealingDecision.objects.filter(workload=workload).select_related("release")


def shown(row: HealingDecision) -> Shown:
    """With its words."""
    return Shown(
        row,
        _STATES.get(row.state, "unknown"),
        why(row),
        list(_evidence(row)),
        moment(str(row.seen.get("until", ""))),
    )


def why(row: HealingDecision) -> str:
    """The reason as one sentence."""
    texts = {
        "crash-loop": _("Its containers keep ending and starting again."),
        "out-of-memory": _("Its containers were ended because they needed more memory than their limit."),
        "cooldown": _("Something was done a moment ago: its effect is awaited first."),
        "storm": _("Many applications of this cluster are being healed: more at once would do harm."),
        "busy": _("An operation is at work on it."),
        "exhausted": _("Every step that fits was tried for this release and did not help."),
        "node": _("Its node is lost: at least two witnesses say so."),
        "fence": _("It has an identity or a volume: it moves only when the old machine is known to be off."),
        "drift": _("Objects on the cluster differ from what was deployed."),
        "drift-again": _("Somebody keeps changing the same objects: it was put back three times."),
        "stuck": _("The pod should have ended long ago, and its node did not report its end."),
        "finalizer": _(
            "The pod has ended, but somebody's finalizer keeps it: taking that away may leave their work undone."
        ),
        "consent": _("Nobody has consented to this step."),
    }
    return texts.get(row.why, row.why)


def _evidence(row: HealingDecision) -> list[str]:
    seen, found = row.seen, []
    if seen.get("evidence"):
        found.append(str(seen["evidence"]))
    if seen.get("memory"):
        found.append(_("Memory: %(amount)s MiB") % {"amount": int(seen["memory"]) // 1024**2})
    if seen.get("node"):
        found.append(_("Node: %(name)s") % {"name": seen["node"]})
    found += witness_texts(seen.get("witnesses") or [])
    differences = seen.get("differences") or []
    for each in differences:
        found.append(
            _("%(kind)s %(name)s, %(where)s: %(found)s instead of %(wanted)s")
            % {key: each.get(key) or "–" for key in ("kind", "name", "where", "found", "wanted")}
        )
    if seen.get("items") and not differences:
        found.append(", ".join(str(each) for each in seen["items"]))
    if row.outcome:
        found.append(row.outcome)
    return found
