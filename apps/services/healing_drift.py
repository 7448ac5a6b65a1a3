"""Puts back what others changed of a workload's objects, and writes down what it was.

As the environment's own account. Only what was asked for is compared: fields that nobody here manages stay as they are.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.healing import drift, ladder
from apps.manifests.paths import path_of
from apps.models import Deployment, HealingDecision, Workload
from apps.rollouts.strategy import Strategy
from apps.selectors.configurations import settings_of
from apps.selectors.workloads import newest_change, wanted_objects
from apps.services import healing
from clusters import access
from clusters.errors import ResourceNotFound
from clusters.observing.environments import Difference

DState = HealingDecision.State
MOST_REPAIRS, REPAIRS_WITHIN = 3, timedelta(minutes=30)
RUNG: ladder.Rung = "drift"


def put_back(workload: Workload) -> bool:
    """Compare, write down what differs, and apply what should be. Raises ClusterError."""
    client = access.kubernetes_for(workload.environment)
    settings = settings_of(workload, workload.config_revision)
    wanted = wanted_objects(workload, settings, _applied_strategy(workload))
    differing = drift.differences(wanted, _found(client, wanted))
    if not differing or not _is_still(workload):
        return False
    mode, newest = healing.consents_of(workload)[RUNG], healing.newest_of(workload, RUNG)
    seen = _differences(differing)
    if mode != "automatic" and not healing.is_agreed(newest, seen["items"]):
        healing.ask(workload=workload, rung=RUNG, why="drift", mode=mode, seen=seen, newest=newest)
        return False
    if _repaired_often(workload):
        healing.record(
            workload=workload, rung=RUNG, state=DState.ALERT, why="drift-again", mode=mode, seen=seen
        )
        return False
    _apply(client, wanted, differing)
    healing.record(workload=workload, rung=RUNG, state=DState.DONE, why="drift", mode=mode, seen=seen)
    return True


def _apply(client: Any, wanted: list[dict[str, Any]], differing: list[Difference]) -> None:
    names = {(each.kind, each.name) for each in differing}
    chosen = [each for each in wanted if (each["kind"], each["metadata"]["name"]) in names]
    for each in chosen:
        client.apply(each)
    # What others added to a list is theirs to the server's mind: such lists are set as a whole.
    for left in drift.differences(chosen, _found(client, chosen)):
        each = next(one for one in chosen if (one["kind"], one["metadata"]["name"]) == (left.kind, left.name))
        client.patch(path_of(each), {key: each[key] for key in ("spec", "data") if key in each})


def _found(client: Any, wanted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for each in wanted:
        try:
            found.append({**client.get(path_of(each)), "kind": each["kind"]})
        except ResourceNotFound:
            continue
    return found


def _differences(differing: list[Difference]) -> dict[str, Any]:
    return {
        "items": [f"{each.kind} {each.name}" for each in differing],
        "evidence": "; ".join(dict.fromkeys(each.by for each in differing if each.by)),
        "differences": [each.as_json() for each in differing],
    }


def _applied_strategy(workload: Workload) -> Strategy:
    """How its pods give way, as the newest change left it on the cluster."""
    newest = newest_change(workload)
    if newest is None or newest.state == Deployment.State.RETURNED or not newest.strategy:
        return Strategy()
    return Strategy(**newest.strategy)


def _is_still(workload: Workload) -> bool:
    """Nobody has asked for anything meanwhile."""
    states = (Workload.State.HEALTHY, Workload.State.DEGRADED, Workload.State.DOWN, Workload.State.STOPPED)
    rows = Workload.objects.filter(pk=workload.pk, generation=workload.generation, state__in=states)
    return rows.exists()


def _repaired_often(workload: Workload) -> bool:
    rows = HealingDecision.objects.filter(
        workload=workload,
        rung=RUNG,
        state=DState.DONE,
        decided_by="",
        first_at__gt=timezone.now() - REPAIRS_WITHIN,
    )
    return rows.count() >= MOST_REPAIRS
