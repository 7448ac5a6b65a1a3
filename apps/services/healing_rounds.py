"""Looks after workloads by turns: those that are not well climb the ladder, objects that others changed are put back.

Only workloads that no operation is at work on, in environments that take changes. Each is asked for as its
environment's own account; one that cannot be seen is left for the next turn.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.errors import AppError
from apps.healing import drift, ladder
from apps.healing.pods import Looping, StuckPod, looping, stuck
from apps.manifests.paths import collection, path_of
from apps.models import HealingDecision, Workload
from apps.selectors.configurations import settings_of
from apps.selectors.workloads import wanted_objects
from apps.services import healing
from apps.services.rollout_return import has_way_back
from clusters import access
from clusters.errors import ClusterError, ResourceConflict, ResourceNotFound
from clusters.manifests.workload_labels import APP_LABEL
from clusters.models import Environment
from clusters.observing.environments import Difference
from clusters.observing.nodes import quantity
from kcloud_site.operations.errors import SubjectBusy

WState, DState = Workload.State, HealingDecision.State
UNWELL = (WState.DEGRADED, WState.DOWN)
SETTLED = (*UNWELL, WState.HEALTHY, WState.STOPPED)
DRIFT_EVERY = timedelta(seconds=60)
MOST_REPAIRS, REPAIRS_WITHIN = 3, timedelta(minutes=30)
HEALING_NOW = timedelta(minutes=2)
_log = logging.getLogger(__name__)


def look_after() -> int:
    """One turn; answers how many workloads were acted on."""
    acted = 0
    for workload in _rows().filter(Q(state__in=UNWELL) | Q(seen_at__isnull=False)):
        try:
            acted += _look_at(workload)
        except (ClusterError, SubjectBusy) as error:
            _log.info("workload %s was left for the next turn: %s", workload, error)
        except Exception:
            _log.exception("workload %s could not be looked after", workload)
    return acted


def _rows() -> QuerySet[Workload]:
    states = (Environment.State.READY, Environment.State.DRIFTED)
    rows = Workload.objects.filter(
        state__in=SETTLED, environment__state__in=states, environment__frozen=False, release__isnull=False
    )
    return rows.select_related("app", "tenant", "environment__cluster", "release", "good_release")


def _look_at(workload: Workload) -> bool:
    acted = False
    if workload.state in UNWELL:
        client = access.kubernetes_for(workload.environment)
        own = f"{APP_LABEL}={workload.app.name}"
        pods = client.list(collection("Pod", workload.environment.namespace), labelSelector=own)
        acted = climb(workload, looping(pods))
        for each in stuck(pods, timezone.now()):
            acted |= _remove_stuck(workload, client, each)
    if not acted and _is_due(workload):
        acted = put_back(workload)
    return acted


# --- the ladder ----------------------------------------------------------------------------------


def climb(workload: Workload, found: Looping) -> bool:
    """The next rung for containers that keep ending."""
    observation = ladder.Observation(
        release=workload.release_id or 0,
        looping=found.names,
        oom=found.oom,
        memory=_memory_of(workload, found.names),
        restarts=found.restarts,
        has_good_release=has_way_back(workload),
    )
    now = timezone.now()
    decision = ladder.decide(
        now,
        observation,
        _history(workload),
        healing.consents_of(workload),
        healing=_healing_now(workload, now),
        workloads=Workload.objects.filter(environment__cluster=workload.environment.cluster_id).count(),
    )
    if decision is None:
        return False
    seen = _seen(found, decision)
    if decision.verdict == "act":
        return _act(workload, decision, found, seen)
    state = {"ask": DState.OPEN, "hold": DState.HELD, "alert": DState.ALERT}[decision.verdict]
    healing.record(
        workload=workload, rung=decision.rung, state=state, why=decision.why, mode=decision.mode, seen=seen
    )
    return False


def _act(workload: Workload, decision: ladder.Decision, found: Looping, seen: Mapping[str, Any]) -> bool:
    told = {"workload": workload, "rung": decision.rung, "why": decision.why, "mode": decision.mode}
    try:
        if decision.rung == "memory":
            done = healing.deploy_with_memory(workload=workload, memory=decision.memory, by=healing.RULE)
        else:
            why = found.evidence
            done = healing.climb(workload=workload, rung=decision.rung, why=why, by=healing.RULE)
    except AppError as error:
        healing.record(**told, state=DState.FAILED, seen=seen, outcome=str(error))  # type: ignore[arg-type]
        return False
    healing.record(**told, state=DState.DONE, seen=seen, operation_id=done.operation_id)  # type: ignore[arg-type]
    return True


def _seen(found: Looping, decision: ladder.Decision) -> dict[str, Any]:
    seen: dict[str, Any] = {
        "evidence": found.evidence,
        "items": list(found.names),
        "restarts": found.restarts,
    }
    if decision.memory:
        seen["memory"] = decision.memory
    if decision.until:
        seen["until"] = decision.until.isoformat()
    return seen


def _history(workload: Workload) -> list[ladder.Past]:
    rows = HealingDecision.objects.filter(
        workload=workload, state__in=(DState.OPEN, DState.DONE, DState.DECLINED, DState.FAILED)
    ).exclude(rung__in=("node-loss", "drift", "stuck-pod"))[:50]
    return [
        ladder.Past(row.rung, row.release_id or 0, row.last_at, row.state == DState.OPEN)  # type: ignore[arg-type]
        for row in rows
    ]


def _healing_now(workload: Workload, now: datetime) -> int:
    rows = HealingDecision.objects.filter(
        workload__environment__cluster=workload.environment.cluster_id,
        rung__in=("restart", "return", "memory"),
        state=DState.DONE,
        first_at__gt=now - HEALING_NOW,
    )
    return rows.exclude(workload=workload).values("workload").distinct().count()


def _memory_of(workload: Workload, names: tuple[str, ...]) -> int:
    containers = workload.release.spec.get("containers", []) if workload.release else []
    limits = [
        ((each.get("resources") or {}).get("limits") or {}).get("memory", "0")
        for each in containers
        if each.get("name") in names
    ]
    return int(max((quantity(each) for each in limits), default=0))


# --- pods that do not end ------------------------------------------------------------------------


def _remove_stuck(workload: Workload, client: Any, pod: StuckPod) -> bool:
    """A pod without identity is removed; one that has an identity may still be running somewhere: a person decides."""
    seen = {"evidence": f"{pod.name} ({pod.node})", "items": [pod.name], "until": pod.due.isoformat()}
    told = {"workload": workload, "rung": "stuck-pod", "seen": seen}
    mode = healing.consents_of(workload)["stuck-pod"]
    if workload.release is None or workload.release.spec.get("kind") == "StatefulSet":
        healing.record(**told, state=DState.ALERT, why="fence", mode=mode)  # type: ignore[arg-type]
        return False
    if mode != "automatic":
        healing.record(**told, state=DState.HELD, why="consent", mode=mode)  # type: ignore[arg-type]
        return False
    place = f"{collection('Pod', workload.environment.namespace)}/{pod.name}"
    try:
        client.delete(place, pod.uid, 0)
    except ResourceConflict:
        return False
    healing.record(**told, state=DState.DONE, why="stuck", mode=mode)  # type: ignore[arg-type]
    return True


# --- drift ---------------------------------------------------------------------------------------


def put_back(workload: Workload) -> bool:
    """Compare, write down what differs, and apply what should be."""
    client = access.kubernetes_for(workload.environment)
    wanted = wanted_objects(workload, settings_of(workload, workload.config_revision))
    differing = drift.differences(wanted, _found(client, wanted))
    if not differing or not _is_still(workload):
        return False
    mode = healing.consents_of(workload)["drift"]
    told = {"workload": workload, "rung": "drift", "mode": mode, "seen": _differences(differing)}
    approved = _newest_drift(workload)
    agreed = approved is not None and approved.state == DState.DONE and approved.mode != "automatic"
    if mode != "automatic" and not agreed:
        if approved is None or approved.state != DState.DECLINED:
            healing.record(**told, state=DState.OPEN, why="drift")  # type: ignore[arg-type]
        return False
    if _repaired_often(workload):
        healing.record(**told, state=DState.ALERT, why="drift-again")  # type: ignore[arg-type]
        return False
    names = {(each.kind, each.name) for each in differing}
    chosen = [each for each in wanted if (each["kind"], each["metadata"]["name"]) in names]
    for each in chosen:
        client.apply(each)
    # What others added to a list is theirs to the server's mind: such lists are set as a whole.
    for left in drift.differences(chosen, _found(client, chosen)):
        each = next(one for one in chosen if (one["kind"], one["metadata"]["name"]) == (left.kind, left.name))
        client.patch(path_of(each), {key: each[key] for key in ("spec", "data") if key in each})
    healing.record(**told, state=DState.DONE, why="drift")  # type: ignore[arg-type]
    return True


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


def _is_due(workload: Workload) -> bool:
    """Every minute, workloads by turns: the turn is told by the row, so that nothing has to be kept."""
    return (int(timezone.now().timestamp()) // 10 + workload.pk) % (DRIFT_EVERY.seconds // 10) == 0


def _is_still(workload: Workload) -> bool:
    """Nobody has asked for anything meanwhile."""
    rows = Workload.objects.filter(pk=workload.pk, generation=workload.generation, state__in=SETTLED)
    return rows.exists()


def _newest_drift(workload: Workload) -> HealingDecision | None:
    return HealingDecision.objects.filter(workload=workload, rung="drift").first()


def _repaired_often(workload: Workload) -> bool:
    since = timezone.now() - REPAIRS_WITHIN
    rows = HealingDecision.objects.filter(
        workload=workload, rung="drift", state=DState.DONE, first_at__gt=since
    )
    return rows.count() >= MOST_REPAIRS
