"""What is done about a lost node: it takes no new pods, those that have no identity are replaced at once.

Pods of a Deployment are deleted without waiting for an agent that cannot answer (only that very pod, by its uid): their
ReplicaSet makes others and the Service's endpoints lose them in the same moment. Those of a StatefulSet wait until
somebody confirms that the machine is off. Everything may be done any number of times; `sweep` does it again for what
came late. Whose pods they are is asked for by a label, so nothing but KCloud's own workloads is touched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterError, ResourceConflict, ResourceNotFound
from clusters.healing.pods import Placed, placed
from clusters.manifests.workload_labels import APP_LABEL
from clusters.models import NodeDecision
from clusters.services import node_decisions

LOST_TAINT = {"key": "kcloud.local/lost", "effect": "NoSchedule"}
# Kubernetes' own word for "this machine is off": it then lets volumes go as well.
OUT_OF_SERVICE = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}
TRIES = 5
AT_ONCE = 8
_OURS = (LOST_TAINT["key"], OUT_OF_SERVICE["key"])
_log = logging.getLogger(__name__)


class Owner(Protocol):
    """Who answers for workloads (the app above this one): which pods may be replaced without being asked, and
    what was done with them."""

    def refused(self, cluster_pk: int, pods: Iterable[Placed]) -> Mapping[str, str]:
        """By path of the pod: why not (nobody consented)."""

    def told(self, row: NodeDecision, replaced: Iterable[Placed], waiting: Iterable[Placed]) -> None:
        """Called after it was done."""


_owners: list[Owner] = []


def answer_for_workloads(owner: Owner) -> None:
    """Register it; called once by the app that has the workloads."""
    if owner not in _owners:
        _owners.append(owner)


def sweep(*, row: NodeDecision, client: KubernetesClient) -> int:
    """Taint the node and replace what may be replaced now; answers how many pods. Raises ClusterError when the API
    server refuses or is gone: the next sweep goes on."""
    fenced = row.fenced_at is not None
    _taint(client, row.node, [LOST_TAINT, OUT_OF_SERVICE] if fenced else [LOST_TAINT])
    there = placed(
        client.list("/api/v1/pods", fieldSelector=f"spec.nodeName={row.node}", labelSelector=APP_LABEL)
    )
    movable = [each for each in there if each.what == "replace" or (fenced and each.what == "fence")]
    refused = _refused(row, movable)
    chosen = [each for each in movable if each.path not in refused]
    replaced = _delete(client, chosen)
    waiting = [each for each in there if each.what == "fence" and not fenced]
    node_decisions.keep_outcome(
        row=row,
        outcome={
            "replaced": [_name(each) for each in replaced],
            "waiting": [_name(each) for each in waiting],
            "asked": [_name(each) for each in movable if each.path in refused],
            "left": [_name(each) for each in there if each.what == "leave"],
        },
    )
    for owner in _owners:
        if replaced or waiting:
            owner.told(row, replaced, waiting)
    return len(replaced)


def release(*, row: NodeDecision, client: KubernetesClient) -> None:
    """The node is back: it takes pods again."""
    _taint(client, row.node, [])
    node_decisions.end(row=row)


def _taint(client: KubernetesClient, name: str, wanted: list[dict[str, str]]) -> None:
    """Exactly these of our taints; others' stay."""
    path = f"/api/v1/nodes/{name}"
    for attempt in range(TRIES):
        try:
            node = client.get(path)
        except ResourceNotFound:
            return
        actual = (node.get("spec") or {}).get("taints") or []
        if sorted(each["key"] for each in actual if each.get("key") in _OURS) == sorted(
            each["key"] for each in wanted
        ):
            return
        taints = [each for each in actual if each.get("key") not in _OURS] + wanted
        version = (node.get("metadata") or {}).get("resourceVersion", "")
        try:
            client.patch(path, {"metadata": {"resourceVersion": version}, "spec": {"taints": taints}})
        except ResourceConflict:
            if attempt == TRIES - 1:
                raise
            continue
        return


def _delete(client: KubernetesClient, pods: list[Placed]) -> list[Placed]:
    """Several at once; one that has become another is left."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        done = list(pool.map(lambda each: _gone(client, each), pods))
    return [pod for pod, gone in zip(pods, done, strict=True) if gone]


def _gone(client: KubernetesClient, pod: Placed) -> bool:
    try:
        client.delete(pod.path, pod.uid, 0)
    except ClusterError as error:
        _log.warning("pod %s could not be replaced: %s", _name(pod), error)
        return False
    return True


def _refused(row: NodeDecision, pods: list[Placed]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for owner in _owners:
        found.update(owner.refused(row.cluster_id, pods))
    return found


def _name(pod: Placed) -> str:
    return f"{pod.namespace}/{pod.name}"


def problem(row: NodeDecision, error: ClusterError) -> None:
    """What kept it from being done, for the page."""
    outcome: dict[str, Any] = {"problem": str(error)}
    node_decisions.keep_outcome(row=row, outcome=outcome)
