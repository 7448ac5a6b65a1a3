"""Writes down what was decided about a node: every decision, also "not now, because"; equal ones are counted.

Called by the watch process; `confirm_fenced` by a person, or when a command has powered the machine off.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from clusters.errors import NodeRefused
from clusters.healing.nodes import SUGGESTED_FOR, Verdict, Witness
from clusters.models import Cluster, NodeDecision
from clusters.observing.nodes import moment
from kcloud_site.audit import trail
from kcloud_site.audit.models import AuditEvent

RULE = trail.Actor(AuditEvent.ActorKind.RULE, "node loss")
# The same decision again within this time is one with a higher count.
SAME_WITHIN = timedelta(minutes=5)
Action = NodeDecision.Action


def lost_nodes(cluster_pk: int) -> dict[str, NodeDecision]:
    """The nodes that count as lost now, by name."""
    rows = NodeDecision.objects.filter(cluster_id=cluster_pk, action=Action.LOST, ended_at__isnull=True)
    return {row.node: row for row in rows}


@transaction.atomic
def record(*, cluster_pk: int, verdict: Verdict, failing_since: datetime | None) -> NodeDecision:
    """The row of a decision: a new one, told to the audit trail, or the same as before counted once more."""
    now = timezone.now()
    newest = NodeDecision.objects.filter(cluster_id=cluster_pk, node=verdict.node).first()
    if newest is not None and _is_same(newest, verdict, now):
        newest.count += 1
        newest.last_at = now
        newest.witnesses = _plain(verdict.witnesses)
        newest.save(update_fields=["count", "last_at", "witnesses"])
        return newest
    row = NodeDecision.objects.create(
        cluster_id=cluster_pk,
        node=verdict.node,
        action=verdict.action,
        why=verdict.why,
        witnesses=_plain(verdict.witnesses),
        first_at=now,
        last_at=now,
        failing_since=failing_since,
    )
    if verdict.action in (Action.LOST, Action.HOLD):
        after = {"node": verdict.node, "why": verdict.why, "witnesses": row.witnesses}
        _tell(row, f"node.{verdict.action}", after=after)
    return row


def keep_outcome(*, row: NodeDecision, outcome: dict[str, Any]) -> None:
    """What came of it, added to what came of it before."""
    merged = dict(row.outcome)
    for key in ("replaced",):
        merged[key] = [*dict.fromkeys([*merged.get(key, []), *outcome.get(key, [])])]
    for key in ("waiting", "left", "problem", "asked"):
        merged[key] = outcome.get(key, merged.get(key, ""))
    if merged == row.outcome and row.acted_at is not None:
        return
    row.outcome = merged
    row.acted_at = row.acted_at or timezone.now()
    with transaction.atomic():
        row.save(update_fields=["outcome", "acted_at"])
        if outcome.get("replaced"):
            _tell(row, "node.pods_replaced", after={"node": row.node, "pods": outcome["replaced"]})


@transaction.atomic
def end(*, row: NodeDecision) -> None:
    """The node is back."""
    if NodeDecision.objects.filter(pk=row.pk, ended_at__isnull=True).update(ended_at=timezone.now()):
        _tell(row, "node.back", after={"node": row.node})


@transaction.atomic
def confirm_fenced(*, cluster: Cluster, node: str, by: Any, how: str = "") -> NodeDecision:
    """The machine of a lost node is off and stays off, says a person, or the program `how` that asked the machine's own
    management: pods with an identity may move now.

    Raises NodeRefused for a node that does not count as lost."""
    row = lost_nodes(cluster.pk).get(node) or _agreed_to(cluster, node, by)
    if row is None:
        raise NodeRefused(
            _("Node %(name)s does not count as lost.") % {"name": node},
            _("Only what has at least two witnesses counts."),
            _("Wait until the portal says so, or drain the node."),
        )
    if row.fenced_at is None:
        row.fenced_at, row.fenced_by = timezone.now(), how or trail.Actor.of(by).name
        row.save(update_fields=["fenced_at", "fenced_by"])
        trail.record(by=by, action="node.fenced", subject=cluster, after={"node": node, "how": how})
    return row


def _agreed_to(cluster: Cluster, node: str, by: Any) -> NodeDecision | None:
    """A person is the second witness where the portal has only one, and has said so just now."""
    newest = NodeDecision.objects.filter(cluster=cluster, node=node).first()
    if newest is None or newest.why != "no-second" or timezone.now() - newest.last_at > SUGGESTED_FOR:
        return None
    witnesses = tuple(Witness(each["who"], each["what"], moment(each["since"])) for each in newest.witnesses)
    person = Witness("person", trail.Actor.of(by).name, timezone.now())
    verdict = Verdict(node, "lost", "witnesses", (*witnesses, person))
    return record(cluster_pk=cluster.pk, verdict=verdict, failing_since=newest.failing_since)


def _is_same(newest: NodeDecision, verdict: Verdict, now: datetime) -> bool:
    if (newest.action, newest.why) != (verdict.action, verdict.why):
        return False
    return newest.ended_at is None and (newest.action == Action.LOST or now - newest.last_at <= SAME_WITHIN)


def _plain(witnesses: tuple[Witness, ...]) -> list[dict[str, str]]:
    return [{**asdict(each), "since": each.since.isoformat() if each.since else ""} for each in witnesses]


def _tell(row: NodeDecision, action: str, *, after: dict[str, Any]) -> None:
    trail.record(by=RULE, action=action, subject=row.cluster, after=after)
