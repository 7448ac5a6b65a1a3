"""Looks after workloads by turns: those that are not well climb the ladder, objects that others changed are put back.

Only workloads that no operation is at work on, in environments that take changes. Each is asked for as its
environment's own account; one that cannot be seen is left for the next turn.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.errors import AppError
from apps.healing import ladder
from apps.healing.pods import Looping, looping, stuck
from apps.manifests.paths import collection
from apps.models import ConfigRevision, HealingDecision, Workload
from apps.selectors.way_back import way_back
from apps.services import healing
from apps.services.healing_drift import put_back
from apps.services.healing_stuck import remove_stuck
from clusters import access
from clusters.errors import ClusterError, ClusterUnreachable
from clusters.manifests.workload_labels import APP_LABEL
from clusters.models import Environment
from clusters.observing.nodes import quantity
from kcloud_site.operations.errors import SubjectBusy

WState, DState = Workload.State, HealingDecision.State
UNWELL = (WState.DEGRADED, WState.DOWN)
SETTLED = (*UNWELL, WState.HEALTHY, WState.STOPPED)
DRIFT_EVERY = timedelta(seconds=60)
HEALING_NOW = timedelta(minutes=2)
_log = logging.getLogger(__name__)


def look_after() -> int:
    """One turn; answers how many workloads were acted on. A cluster that does not answer is asked once a turn."""
    acted, silent = 0, set[int]()
    for workload in _rows().filter(Q(state__in=UNWELL) | Q(seen_at__isnull=False)):
        if workload.environment.cluster_id in silent:
            continue
        try:
            acted += _look_at(workload)
        except ClusterUnreachable as error:
            silent.add(workload.environment.cluster_id)
            _log.info("workload %s was left for the next turn: %s", workload, error)
        except (ClusterError, SubjectBusy) as error:
            _log.info("workload %s was left for the next turn: %s", workload, error)
        except Exception:
            _log.exception("workload %s could not be looked after", workload)
    return acted


def _rows() -> QuerySet[Workload]:
    states = (Environment.State.READY, Environment.State.DRIFTED)
    # What was adopted is not ours in form yet: putting our objects in its place would take its Service away from it.
    rows = Workload.objects.filter(
        state__in=SETTLED,
        environment__state__in=states,
        environment__frozen=False,
        release__isnull=False,
        adopted={},
    )
    # While a configuration is on trial, pods differ on purpose, and the trial has its own way back.
    trials = ConfigRevision.objects.filter(
        app=OuterRef("app"), environment=OuterRef("environment"), state=ConfigRevision.State.TRIAL
    )
    rows = rows.filter(~Exists(trials))
    return rows.select_related(
        "app", "tenant", "environment__cluster", "release", "good_release", "seen_pods"
    )


def _look_at(workload: Workload) -> bool:
    acted = False
    if workload.state in UNWELL or _has_leaving_pods(workload):
        client = access.kubernetes_for(workload.environment)
        own = f"{APP_LABEL}={workload.app.name}"
        pods = client.list(collection("Pod", workload.environment.namespace), labelSelector=own)
        acted = climb(workload, looping(pods))
        acted |= remove_stuck(workload, client, stuck(pods, timezone.now()))
    if not acted and _is_due(workload):
        acted = put_back(workload)
    return acted


def _has_leaving_pods(workload: Workload) -> bool:
    """By the last look: others may have taken their place long ago, so the workload itself can be well."""
    seen = getattr(workload, "seen_pods", None)
    return seen is not None and any(row.get("leaving") for row in seen.rows)


# --- the ladder ----------------------------------------------------------------------------------


def climb(workload: Workload, found: Looping) -> bool:
    """The next rung for containers that keep ending."""
    observation = ladder.Observation(
        release=workload.release_id or 0,
        looping=found.names,
        oom=found.oom,
        memory=_memory_of(workload, found.names),
        restarts=found.restarts,
        has_good_release=way_back(workload) is not None,
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
    # Returning changes the row: the decision stays about the release that kept ending.
    about = workload.release_id
    try:
        if decision.rung == "memory":
            done = healing.deploy_with_memory(workload=workload, memory=decision.memory, by=healing.RULE)
        else:
            why = found.evidence
            done = healing.climb(workload=workload, rung=decision.rung, why=why, by=healing.RULE)
    except AppError as error:
        healing.record(**told, release_id=about, state=DState.FAILED, seen=seen, outcome=str(error))  # type: ignore[arg-type]
        return False
    healing.record(**told, release_id=about, state=DState.DONE, seen=seen, operation_id=done.operation_id)  # type: ignore[arg-type]
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


def _is_due(workload: Workload) -> bool:
    """Every minute, workloads by turns: the turn is told by the row, so that nothing has to be kept."""
    return (int(timezone.now().timestamp()) // 10 + workload.pk) % (DRIFT_EVERY.seconds // 10) == 0
