"""Removes pods that should have ended and are still there, as far as somebody consented.

One that nobody reports on (its agent is gone) is deleted without waiting. One that is kept by a finalizer waits for a
promise of somebody's: the finalizer is taken away only after a person said so, whatever the consent. One with an
identity may still be running somewhere, so it is touched only when its agent has reported its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.healing import ladder
from apps.healing.pods import StuckPod
from apps.manifests.paths import collection
from apps.models import HealingDecision, Workload
from apps.services import healing
from clusters.errors import ResourceConflict, ResourceNotFound

RUNG: ladder.Rung = "stuck-pod"
DState = HealingDecision.State


def remove_stuck(workload: Workload, client: Any, pods: Sequence[StuckPod]) -> bool:
    """Whether any was removed. Raises ClusterError."""
    mode = healing.consents_of(workload)[RUNG]
    stateful = workload.release is None or workload.release.spec.get("kind") == "StatefulSet"
    fenced_off = [each for each in pods if stateful and not each.ended]
    free = [each for each in pods if each not in fenced_off]
    held, plain = [each for each in free if each.finalizers], [each for each in free if not each.finalizers]
    if fenced_off:
        healing.record(
            workload=workload, rung=RUNG, state=DState.ALERT, why="fence", mode=mode, seen=_seen(fenced_off)
        )
    acted = bool(plain) and _remove(workload, client, plain, why="stuck", mode=mode)
    if held:
        asked = "approve" if mode == "automatic" else mode
        acted |= _remove(workload, client, held, why="finalizer", mode=asked)
    return acted


def _remove(workload: Workload, client: Any, pods: Sequence[StuckPod], *, why: str, mode: str) -> bool:
    seen, newest = _seen(pods), _newest(workload, why)
    if mode != "automatic" and not healing.is_agreed(newest, seen["items"]):
        healing.ask(workload=workload, rung=RUNG, why=why, mode=mode, seen=seen, newest=newest)
        return False
    gone = [each for each in pods if _delete(workload, client, each)]
    if gone:
        healing.record(workload=workload, rung=RUNG, state=DState.DONE, why=why, mode=mode, seen=_seen(gone))
    return bool(gone)


def _delete(workload: Workload, client: Any, pod: StuckPod) -> bool:
    """That very pod; False when another has taken its name."""
    place = f"{collection('Pod', workload.environment.namespace)}/{pod.name}"
    try:
        if pod.finalizers:
            client.patch(place, {"metadata": {"uid": pod.uid, "finalizers": None}})
        client.delete(place, pod.uid, 0)
    except ResourceConflict:
        return False
    except ResourceNotFound:
        # With its last finalizer it went by itself.
        return bool(pod.finalizers)
    return True


def _newest(workload: Workload, why: str) -> HealingDecision | None:
    return HealingDecision.objects.filter(workload=workload, rung=RUNG, why=why).first()


def _seen(pods: Sequence[StuckPod]) -> dict[str, Any]:
    said = [
        f"{each.name} ({', '.join(part for part in (each.node, *each.finalizers) if part)})" for each in pods
    ]
    return {
        "evidence": "; ".join(said),
        "items": [each.name for each in pods],
        "until": min(each.due for each in pods).isoformat(),
    }
