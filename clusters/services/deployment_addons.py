"""What a deployment does through the API server: nodes ready and labelled, DNS, and the pods it is verified with.

Waiting is for events of the API (watches), bounded, and asks the context whether to go on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from clusters import access
from clusters.adapters import answers
from clusters.adapters.kubernetes import KubernetesClient
from clusters.bundle.manifest import Manifest
from clusters.deploying.inventory import Deployment
from clusters.errors import ClusterError, ClusterUnreachable, ResourceNotFound, WatchExpired
from clusters.manifests import coredns, network_policy, verification
from clusters.models import Cluster
from clusters.services.deployment_taints import apply_taints
from kcloud_site.operations.errors import StepFailed
from kcloud_site.operations.kinds import StepContext
from kcloud_site.operations.models import Step, StepTarget

PATIENCE = 120.0
# How long one watch lasts at most: after it the context is asked whether to go on.
_LOOK = 2.0
Rows = dict[str, dict[str, Any]]


def apply_all(context: StepContext, cluster: Cluster, plan: Deployment, manifest: Manifest) -> int:
    """Wait for the nodes, give them the plan's labels and taints, apply the DNS and wait for it. Answers how many
    objects were changed."""
    client = access.kubernetes_for(cluster)
    with explained(context):
        names = [worker.name for worker in plan.workers]
        wait_for(context, client, "/api/v1/nodes", lambda rows: _not_ready(rows, names), _("nodes"))
        changed = sum(_apply(context, client, obj) for obj in node_objects(plan))
        changed += apply_taints(context, client, cluster, plan)
        version = next(file.version for file in manifest.files if file.path == "images/coredns.tar")
        objects = coredns.objects(
            image=f"kcloud.local/coredns:{version.lstrip('v')}",
            domain=plan.spec.network.dns_domain,
            address=plan.dns_address,
            replicas=min(2, max(1, len(names))),
        )
        changed += sum(_apply(context, client, obj) for obj in objects)
        path = f"/apis/apps/v1/namespaces/{coredns.NAMESPACE}/deployments"
        wait_for(context, client, path, _dns_not_ready, _("DNS"))
        if not changed:
            context.log(_("nothing to change"))
        return changed


def apply_policy_rights(context: StepContext, cluster: Cluster) -> int:
    """What the agents of network policies may do. Answers how many objects were changed."""
    return apply_objects(context, cluster, network_policy.objects())


def apply_objects(context: StepContext, cluster: Cluster, objects: Iterable[Mapping[str, Any]]) -> int:
    """Apply them once the API answers. Answers how many were changed."""
    client = access.kubernetes_for(cluster)
    with explained(context):
        wait_for(context, client, "/api/v1/namespaces", lambda rows: "", _("API"))
        return sum(_apply(context, client, obj) for obj in objects)


def node_objects(plan: Deployment) -> list[dict[str, Any]]:
    """Labels of the plan on the nodes. Not by the kubelet: it may not set most of them itself."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": worker.name,
                "labels": {
                    "node-role.kubernetes.io/worker": "",
                    "kcloud.local/pool": worker.pool,
                    "topology.kubernetes.io/region": plan.spec.region,
                    **plan.pool(worker.pool).labels,
                },
            },
        }
        for worker in plan.workers
    ]


class VerificationPod(NamedTuple):
    """A pod of the verification: its Service's address, its own, and its uid."""

    service: str
    address: str
    uid: str


@contextlib.contextmanager
def verification_pods(
    context: StepContext, client: KubernetesClient, plan: Deployment
) -> Iterator[dict[str, VerificationPod]]:
    """The pods by node while they run; taken away in the end, whatever happens."""
    names = [worker.name for worker in plan.workers]
    _wait_until_gone(context, client)
    try:
        applied = [client.apply(obj) for obj in verification.objects(names)]
        context.log(_("%(count)s pods applied, one for each worker") % {"count": len(names)})
        addresses = {
            obj["metadata"]["name"]: obj["spec"]["clusterIP"]
            for obj in applied
            if obj.get("kind") == "Service"
        }
        rows = wait_for(
            context, client, verification.PODS_PATH, lambda found: _pods_not_ready(found, names), _("pods")
        )
        yield {
            name: VerificationPod(
                addresses[called], rows[called]["status"].get("podIP", ""), rows[called]["metadata"]["uid"]
            )
            for name, called in ((name, verification.service_name(name)) for name in names)
        }
    finally:
        with contextlib.suppress(ClusterError):
            client.delete(verification.NAMESPACE_PATH)


@contextlib.contextmanager
def verification_probes(context: StepContext, cluster: Cluster, plan: Deployment) -> Iterator[dict[str, Any]]:
    """What each worker has to reach, while it can be reached."""
    client = access.kubernetes_for(cluster)
    names = [worker.name for worker in plan.workers]
    with explained(context), verification_pods(context, client, plan) as pods:
        domain = plan.spec.network.dns_domain
        services = {name: pod.service for name, pod in pods.items()}
        addresses = {name: pod.address for name, pod in pods.items()}
        yield {
            name: {
                "pod_uid": pods[name].uid,
                "probes": verification.probes(name, names, services, domain),
                "closed": verification.closed(name, names, addresses),
            }
            for name in names
        }


def summary(context: StepContext) -> str:
    """How much the whole deployment changed; 0 is the answer of a cluster that was as planned."""
    steps = Step.objects.filter(operation=context.operation)
    outcomes = [*steps.values_list("outcome", flat=True)]
    outcomes += StepTarget.objects.filter(step__in=steps).values_list("outcome", flat=True)
    changed = sum(int(outcome.get("changed", 0)) for outcome in outcomes)
    context.remember(total_changed=changed)
    if not changed:
        return _("0 changed: everything was as planned already")
    return _("%(count)s changed") % {"count": changed}


@contextlib.contextmanager
def explained(context: StepContext) -> Iterator[None]:
    """Errors of the API as the end of a step, in words."""
    try:
        yield
    except ClusterError as error:
        context.check()
        raise StepFailed(what=error.what, why=error.why, remedy=error.remedy) from error


def wait_for(
    context: StepContext,
    client: KubernetesClient,
    path: str,
    missing: Callable[[Rows], str],
    what: str,
) -> Rows:
    """The objects at `path` by name once `missing(rows)` is empty; it says in words what is not there yet."""
    until = time.monotonic() + PATIENCE
    while True:
        context.check()
        rows, version, why = _look(client, path, missing)
        if not why:
            return rows
        if time.monotonic() > until:
            raise StepFailed(
                what=_("%(what)s not ready after %(seconds)d s") % {"what": what, "seconds": PATIENCE},
                why=why,
                remedy=_("Look at the log of the host it names, then resume."),
            )
        if version and not _watch(client, path, version, rows, missing):
            return rows


def _look(client: KubernetesClient, path: str, missing: Callable[[Rows], str]) -> tuple[Rows, str, str]:
    try:
        page = client.get(path)
    except ClusterUnreachable as error:
        # An API server that has only just started, or one of several that is away: asked again.
        time.sleep(0.2)
        return {}, "", str(error)
    rows = {item["metadata"]["name"]: item for item in page.get("items") or []}
    return rows, str(page["metadata"]["resourceVersion"]), missing(rows)


def _watch(
    client: KubernetesClient, path: str, version: str, rows: Rows, missing: Callable[[Rows], str]
) -> str:
    """Follow changes until nothing is missing or it is time to ask the context; answers what is still missing."""
    with contextlib.suppress(WatchExpired, ClusterUnreachable):
        for kind, obj in client.watch(path, resource_version=version, timeout=_LOOK):
            name = obj.get("metadata", {}).get("name", "")
            if kind == "DELETED":
                rows.pop(name, None)
            elif kind in ("ADDED", "MODIFIED"):
                rows[name] = obj
            if not missing(rows):
                return ""
    return missing(rows)


def _apply(context: StepContext, client: KubernetesClient, obj: Mapping[str, Any]) -> int:
    """Apply one object; 1 when the server's copy is another one now."""
    try:
        before = client.get(answers.path_of(dict(obj)))
    except ResourceNotFound:
        before = {}
    if _own(client.apply(dict(obj))) == _own(before):
        return 0
    context.log(_("applied %(name)s") % {"name": f"{obj['kind']} {obj['metadata']['name']}"})
    return 1


def _own(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What people say of an object, without what the cluster notes on it by itself."""
    kept = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    return {**kept, "labels": obj.get("metadata", {}).get("labels")}


def _wait_until_gone(context: StepContext, client: KubernetesClient) -> None:
    """An earlier verification may still be on its way out; its name cannot be used before it is gone."""
    path = "/api/v1/namespaces"

    def leaving(rows: Rows) -> str:
        row = rows.get(verification.NAMESPACE, {})
        return verification.NAMESPACE if row.get("metadata", {}).get("deletionTimestamp") else ""

    wait_for(context, client, path, leaving, _("An earlier verification"))


def _not_ready(rows: Rows, names: list[str]) -> str:
    return ", ".join(name for name in names if name not in rows or not verification.is_ready(rows[name]))


def _pods_not_ready(rows: Rows, nodes: list[str]) -> str:
    waiting = [
        node for node in nodes if not verification.is_ready(rows.get(verification.service_name(node), {}))
    ]
    return "; ".join(
        f"{node}: {verification.why_not(rows.get(verification.service_name(node), {}))}" for node in waiting
    )


def _dns_not_ready(rows: Rows) -> str:
    status = rows.get("coredns", {}).get("status", {})
    wanted = rows.get("coredns", {}).get("spec", {}).get("replicas", 1)
    ready = status.get("readyReplicas", 0)
    return "" if ready >= wanted else f"coredns {ready}/{wanted}"
