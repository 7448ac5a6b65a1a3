"""Writes what a watch sees: Node rows that changed in something that matters, and the cluster's health.

Called by the watch process only; the portal itself acts, so there is no `by` and no audit: seeing is not
changing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from clusters.models import Cluster, Node
from clusters.observing import nodes as reading
from clusters.observing.health import Health, judge
from clusters.observing.nodes import NodeStatus

# Rows that say nothing new are touched this often, so that `seen_at` tells a living watch from a dead one.
TOUCH_EVERY = timedelta(seconds=10)


def replace_nodes(*, cluster_pk: int, seen: Iterable[NodeStatus]) -> int:
    """Make the rows equal to a whole list from the API server; answers how many changed."""
    wanted = {each.name: each for each in seen if each.name}
    with transaction.atomic():
        gone = Node.objects.filter(cluster_id=cluster_pk).exclude(name__in=list(wanted))
        changed = gone.delete()[0]
        rows = {row.name: row for row in Node.objects.filter(cluster_id=cluster_pk)}
        for status in wanted.values():
            changed += _write(cluster_pk, rows.get(status.name), status)
    return changed


def record_node(*, cluster_pk: int, seen: NodeStatus) -> bool:
    """One node as an event told it. Answers whether anything that matters changed."""
    row = Node.objects.filter(cluster_id=cluster_pk, name=seen.name).first()
    return bool(_write(cluster_pk, row, seen))


def remove_node(*, cluster_pk: int, name: str) -> bool:
    """A node was deleted."""
    return bool(Node.objects.filter(cluster_id=cluster_pk, name=name).delete()[0])


def touch(*, cluster_pk: int) -> None:
    """Say that the rows were true a moment ago, although nothing changed: one write for all of them."""
    now = timezone.now()
    Node.objects.filter(cluster_id=cluster_pk, seen_at__lt=now - TOUCH_EVERY).update(seen_at=now)


def judge_cluster(*, cluster_pk: int, unguarded: Iterable[str] = ()) -> Health:
    """Work out the health from the rows and keep it. `unguarded`: nodes on which network policies do not hold."""
    statuses = [
        reading.from_json(data)
        for data in Node.objects.filter(cluster_id=cluster_pk).values_list("status", flat=True)
    ]
    verdict = judge(statuses, unguarded)
    record_health(cluster_pk=cluster_pk, health=verdict)
    return verdict


def record_health(*, cluster_pk: int, health: Health) -> bool:
    """Keep a verdict; `health_since` moves when the state does. One conditional update: nothing is
    written when nothing changed. Answers whether it did."""
    now = timezone.now()
    ready = Cluster.objects.filter(pk=cluster_pk, state=Cluster.State.READY)
    moved = ready.exclude(health=health.state).update(
        health=health.state, health_reason=health.reason, health_since=now
    )
    if moved:
        return True
    return bool(ready.exclude(health_reason=health.reason).update(health_reason=health.reason))


def record_version(*, cluster_pk: int, version: str) -> None:
    """What an imported cluster runs now: somebody else upgrades it. For ours, the deployment says."""
    found = version.removeprefix("v")[:20]
    imported = Cluster.objects.filter(pk=cluster_pk, origin=Cluster.Origin.IMPORTED)
    imported.exclude(version=found).update(version=found)


def _write(cluster_pk: int, row: Node | None, status: NodeStatus) -> int:
    now = timezone.now()
    values = _values(status, row, now)
    if row is None:
        Node.objects.create(cluster_id=cluster_pk, name=status.name, seen_at=now, **values)
        return 1
    if all(getattr(row, field) == value for field, value in values.items()):
        return 0
    Node.objects.filter(pk=row.pk).update(seen_at=now, **values)
    return 1


def _values(status: NodeStatus, row: Node | None, now: datetime) -> dict[str, Any]:
    ready = status.ready
    since = reading.moment(ready.since)
    if since is None:
        since = row.ready_since if row is not None and row.ready == ready.status else now
    said = "" if ready.status == "True" else (f"{ready.reason}: {ready.message}".strip(": ") or ready.status)
    return {
        "uid": status.uid[:64],
        "roles": list(status.roles),
        "ready": ready.status if ready.status in ("True", "False") else "Unknown",
        "ready_reason": said,
        "ready_since": since,
        "schedulable": status.schedulable,
        "version": status.version[:40],
        "status": reading.as_json(_quiet(status)),
    }


def _quiet(status: NodeStatus) -> NodeStatus:
    """The status without what changes at every heartbeat and means nothing (messages of good conditions)."""
    quiet = tuple(
        each if _is_trouble(each) else reading.Condition(each.type, each.status, each.reason, "", each.since)
        for each in status.conditions
    )
    return reading.with_conditions(status, quiet)


def _is_trouble(condition: reading.Condition) -> bool:
    good = "True" if condition.type == "Ready" else "False"
    return condition.status != good
