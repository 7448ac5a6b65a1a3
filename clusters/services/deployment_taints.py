"""The plan's taints on nodes that have joined: the agent's own configuration counts only when a node registers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.utils.translation import gettext as _

from clusters.adapters.kubernetes import KubernetesClient
from clusters.deploying import node_taints
from clusters.deploying.inventory import Deployment
from clusters.errors import ResourceConflict
from clusters.models import Cluster
from clusters.planning.plan import Taint, load
from kcloud_site.operations.kinds import StepContext

# Controllers write to nodes all the time; one that is overtaken this often has a fight on its hands.
TRIES = 5


def apply_taints(context: StepContext, client: KubernetesClient, cluster: Cluster, plan: Deployment) -> int:
    """Bring every worker to its pool's taints; others' taints stay. Answers how many nodes were changed.

    Raises what the adapter raises; ResourceConflict only when somebody else writes faster than we do.
    """
    changed = 0
    for worker in plan.workers:
        taints = plan.pool(worker.pool).taints
        changed += _bring(context, client, worker.name, taints, lambda: _ever_planned(cluster))
    return changed


def _bring(
    context: StepContext,
    client: KubernetesClient,
    name: str,
    wanted: Iterable[Taint],
    earlier: Callable[[], set[node_taints.Place]],
) -> int:
    path = f"/api/v1/nodes/{name}"
    for attempt in range(TRIES):
        context.check()
        node = client.get(path)
        patch = _difference(node, wanted, earlier)
        if not patch:
            return 0
        try:
            client.patch(path, patch)
        except ResourceConflict:
            if attempt == TRIES - 1:
                raise
            continue
        context.log(_("taints of %(name)s: %(taints)s") % {
            "name": name, "taints": node_taints.record(wanted) or _("none")
        })  # fmt: skip
        return 1
    return 0


def _difference(
    node: dict[str, Any], wanted: Iterable[Taint], earlier: Callable[[], set[node_taints.Place]]
) -> dict[str, Any]:
    """What has to be patched, under the version it was read at; {} when nothing. List and memory in one write."""
    metadata, actual = node.get("metadata") or {}, (node.get("spec") or {}).get("taints") or []
    note = (metadata.get("annotations") or {}).get(node_taints.ANNOTATION)
    owned = earlier() if note is None else node_taints.recorded(note)
    taints, text = node_taints.merged(actual, wanted, owned), node_taints.record(wanted)
    if taints == actual and note == text:
        return {}
    return {
        "metadata": {
            "resourceVersion": metadata.get("resourceVersion", ""),
            "annotations": {node_taints.ANNOTATION: text},
        },
        "spec": {"taints": taints},
    }


def _ever_planned(cluster: Cluster) -> set[node_taints.Place]:
    """Taints of any revision: a node without our note got them when it registered."""
    plans = (load(row.spec) for row in cluster.revisions.all())
    return {(taint.key, taint.effect) for plan in plans for pool in plan.pools for taint in pool.taints}
