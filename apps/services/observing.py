"""Writes what the watch of pods sees: how each workload is, and its pods for the pages.

Called by the watch process only, through clusters.signals; seeing is not changing, so there is no `by` and no audit.
Only workloads that changed are touched, and what an operation is at work on keeps the state the operation gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.models import SeenPods, Workload
from apps.rollouts.health import state_of
from clusters.observing.pods import SeenPod

Pods = Mapping[tuple[str, str], Sequence[SeenPod]]
# What an operation, or nobody, is responsible for.
_NOT_OURS = frozenset({Workload.State.NEW, Workload.State.UPDATING, Workload.State.BINNED})
MOST_AT_ONCE = 200


def record_pods(*, cluster_pk: int, pods: Pods, whole: bool = False) -> int:
    """Pods of the applications that changed, by namespace and name; `whole`: all others there have none. Answers how
    many workloads look different now."""
    changed = 0
    keys = list(pods)
    for start in range(0, len(keys), MOST_AT_ONCE):
        some = keys[start : start + MOST_AT_ONCE]
        with transaction.atomic():
            changed += sum(_record(row, pods.get(_key(row), ())) for row in _workloads(cluster_pk, some))
    if whole:
        known = {row.pk: row for row in _all(cluster_pk) if _key(row) not in pods}
        with transaction.atomic():
            changed += sum(_record(row, ()) for row in known.values())
    return changed


def observed(workload: Workload, pods: Iterable[SeenPod]) -> dict[str, int]:
    """As Workload.observed keeps it."""
    mine = [pod for pod in pods if pod.status.phase not in ("Succeeded", "Failed")]
    here = [pod for pod in mine if not pod.leaving]
    number = str(workload.release.number) if workload.release else ""
    ready = sum(pod.ready for pod in here)
    return {
        "desired": workload.wanted_replicas,
        "updated": sum(pod.metadata.labels.release == number for pod in here),
        "ready": ready,
        "available": ready,
        "pods": len(mine),
    }


def _workloads(cluster_pk: int, keys: Sequence[tuple[str, str]]) -> Iterable[Workload]:
    by_namespace: dict[str, list[str]] = {}
    for namespace, app in keys:
        by_namespace.setdefault(namespace, []).append(app)
    wanted = Q(pk__in=())
    for namespace, apps in by_namespace.items():
        wanted |= Q(environment__namespace=namespace, app__name__in=apps)
    return _all(cluster_pk).filter(wanted)


def _all(cluster_pk: int) -> QuerySet[Workload]:
    # The pods of adopted ones have no labels of ours: apps.services.adopting looks after them.
    rows = Workload.objects.filter(environment__cluster_id=cluster_pk, adopted={})
    return rows.select_related("app", "environment", "release", "seen_pods")


def _key(workload: Workload) -> tuple[str, str]:
    return workload.environment.namespace, workload.app.name


def _record(workload: Workload, pods: Sequence[SeenPod]) -> bool:
    kept = _keep_pods(workload, pods)
    if workload.state in _NOT_OURS:
        return kept
    seen = observed(workload, pods)
    values: dict[str, Any] = {}
    if seen != workload.observed:
        values["observed"] = seen
    # One that was stopped is so although its last pods are still on their way out.
    state = state_of(seen, seen["desired"]) if seen["desired"] else Workload.State.STOPPED
    if state != workload.state:
        values |= {"state": state, "state_reason": _reason(state, seen, pods)}
    if values:
        # Only while it is still what we read: an operation may have begun meanwhile.
        rows = Workload.objects.filter(pk=workload.pk, state=workload.state, generation=workload.generation)
        return bool(rows.update(seen_at=Now(), **values)) or kept
    return kept


def _keep_pods(workload: Workload, pods: Sequence[SeenPod]) -> bool:
    rows = sorted(
        (pod.as_row() for pod in pods), key=lambda row: (not row["reason"], bool(row["ready"]), row["name"])
    )[: SeenPods.MOST]
    before = getattr(workload, "seen_pods", None)
    if before is None:
        if rows:
            SeenPods.objects.create(
                tenant_id=workload.tenant_id, workload=workload, rows=rows, total=len(pods)
            )
        return bool(rows)
    if before.rows == rows and before.total == len(pods):
        return False
    before.rows, before.total = rows, len(pods)
    before.save(update_fields=["rows", "total", "changed_at"])
    return True


def _reason(state: str, seen: Mapping[str, int], pods: Sequence[SeenPod]) -> dict[str, str]:
    if state not in (Workload.State.DEGRADED, Workload.State.DOWN):
        return {}
    unwell = next((pod for pod in pods if pod.trouble[0]), None)
    why = ""
    if unwell is not None:
        why = f"{unwell.metadata.name}: {' '.join(unwell.trouble).strip()}"[:500]
    return {
        "what": _("%(available)s of %(desired)s pods serve.") % dict(seen),
        "why": why,
        "remedy": _("Open its diagnosis: it names the cause and the next step."),
    }
