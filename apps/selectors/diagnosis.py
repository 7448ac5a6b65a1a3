"""What is wrong with a workload: asks its cluster, as its environment's own account, and lets the doctor judge.

`gather` asks at most eight lists and four log tails; nodes are taken from the portal's own mirror, because an
environment's account cannot read them, and only what places pods (names, states, taints, labels). Raises
ClusterUnreachable when the cluster does not answer; a list that is refused is taken as empty, so one missing right
hides one cause, not all.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from apps.diagnosing import coach, doctor
from apps.diagnosing.containers import Container, containers_of
from apps.diagnosing.diagnosis import Report
from apps.diagnosing.facts import Facts, name_of, part, parts, text
from apps.diagnosing.nodes import is_lost
from apps.manifests.workload import FIRST_SLOT
from apps.models import ConfigRevision
from clusters import access
from clusters.errors import ClusterError, ClusterRefused, ResourceNotFound
from clusters.manifests.workload_labels import APP_LABEL
from clusters.models import Cluster, Node
from clusters.problems import Problem

if TYPE_CHECKING:
    from apps.models import Workload
    from clusters.adapters.kubernetes import KubernetesClient

Object = dict[str, Any]
MOST_OBJECTS, MOST_EVENTS = 500, 2000
TAIL_LINES, TAIL_BYTES, MOST_TAILS = 20, 16 * 1024, 4
_KINDS = {"Deployment": "deployments", "StatefulSet": "statefulsets"}
ANSWER_SECONDS = 5.0


@dataclass(frozen=True)
class Examination:
    """What the doctor and the probe coach say about a workload."""

    report: Report
    advice: tuple[Problem, ...] = ()


def report_of(workload: Workload, *, with_logs: bool = True) -> Report:
    """The doctor's report alone."""
    return examine(workload, with_logs=with_logs).report


def examine(workload: Workload, *, with_logs: bool = True) -> Examination:
    """Looks at the cluster now. Without the right to read logs none are read. When the cluster does not answer, the
    report says that nobody looked, and the coach judges the release alone."""
    release = workload.release
    if release is None:
        return Examination(Report())
    try:
        facts = _facts_of(workload, str(part(release.spec).get("kind") or "Deployment"), with_logs)
    except ClusterError:
        return Examination(Report(seen=False), tuple(coach.advise(release.spec)))
    report = doctor.diagnose(facts)
    if not facts.workload and not report.pods and workload.wanted_replicas:
        report = doctor.missing(text(release.spec, "kind") or "Deployment")
    advice = coach.advise(release.spec, coach.observe(facts))
    return Examination(report if with_logs else report.without_logs(), tuple(advice))


def _facts_of(workload: Workload, kind: str, with_logs: bool) -> Facts:
    environment = workload.environment
    found = gather(
        access.kubernetes_for(environment, timeout=ANSWER_SECONDS),
        namespace=environment.namespace,
        app=workload.app.name,
        kind=kind,
        name=workload.app.name if workload.slot == FIRST_SLOT else f"{workload.app.name}-{workload.slot}",
        nodes=node_facts(environment.cluster),
        with_logs=with_logs,
    )
    return replace(found, keys=_keys_of(workload))


def _keys_of(workload: Workload) -> list[str]:
    """The names, never the values, in the configuration it runs with."""
    rows = ConfigRevision.objects.filter(
        app_id=workload.app_id, environment_id=workload.environment_id, number=workload.config_revision or 0
    )
    entries = rows.values_list("entries", flat=True).first()
    return [text(each, "name") for each in parts(entries)]


def gather(
    client: KubernetesClient,
    *,
    namespace: str,
    app: str,
    kind: str = "Deployment",
    name: str = "",
    nodes: Iterable[Object] = (),
    with_logs: bool = True,
) -> Facts:
    """Everything the doctor reads about one application in one namespace. `name`: of its object, where it is not
    called as the application is."""
    core, apps = f"/api/v1/namespaces/{namespace}", f"/apis/apps/v1/namespaces/{namespace}"
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
    own = {"labelSelector": f"{APP_LABEL}={app}", "limit": MOST_OBJECTS}
    pods = _list(client, f"{core}/pods", **own)
    services = _list(client, f"{core}/services", **own)
    claims = _list(client, f"{core}/persistentvolumeclaims", limit=MOST_OBJECTS) if _have_claims(pods) else []
    known = {
        "workload": _one(client, f"{apps}/{_KINDS.get(kind, 'deployments')}/{name or app}"),
        "pods": pods,
        "replicasets": _list(client, f"{apps}/replicasets", **own) if kind == "Deployment" else [],
        "services": services,
        "slices": _list(client, slices, limit=MOST_OBJECTS) if services else [],
        "claims": claims,
        "events": _list(client, f"{core}/events", limit=MOST_EVENTS),
        "nodes": list(nodes),
        "now": timezone.now().isoformat(),
    }
    facts = Facts.of(known)
    if with_logs:
        facts = Facts.of({**known, "logs": _tails(client, core, facts)})
    return facts


def node_facts(cluster: Cluster) -> list[Object]:
    """Name, state, taints and labels of the cluster's nodes, as the portal's watch saw them last."""
    return [
        {
            "name": row.name,
            "ready": row.ready,
            "reason": row.ready_reason,
            "taints": row.status.get("taints") or [],
            "labels": row.status.get("labels") or {},
        }
        for row in Node.objects.filter(cluster=cluster)
    ]


def _list(client: KubernetesClient, path: str, **params: Any) -> list[Object]:
    """The first page of a list, without what only other field managers care for."""
    try:
        found = client.get(path, **params).get("items") or []
    except ClusterRefused:
        return []
    for each in found:
        (each.get("metadata") or {}).pop("managedFields", None)
    return list(found)


def _one(client: KubernetesClient, path: str) -> Object | None:
    with suppress(ResourceNotFound, ClusterRefused):
        found = client.get(path)
        (found.get("metadata") or {}).pop("managedFields", None)
        return found if name_of(found) else None
    return None


def _have_claims(pods: list[Object]) -> bool:
    volumes = (each for pod in pods for each in parts(pod, "spec", "volumes"))
    return any("persistentVolumeClaim" in each for each in volumes)


def _tails(client: KubernetesClient, core: str, facts: Facts) -> dict[str, str]:
    """The last lines of what is not well; of one pod, where all are."""
    found = {}
    for container in _worth_reading(facts):
        query: dict[str, Any] = {
            "container": container.name,
            "tailLines": TAIL_LINES,
            "limitBytes": TAIL_BYTES,
        }
        if container.is_failing(facts) and text(container.status, "lastState", "terminated", "exitCode"):
            query["previous"] = "true"
        try:
            raw = client.get_bytes(f"{core}/pods/{container.pod_name}/log", **query)
        except ClusterRefused:
            continue
        except ClusterError:
            break  # a node that does not answer: the rest would wait as long
        found[container.source] = raw.decode(errors="replace")
    return found


def _worth_reading(facts: Facts) -> list[Container]:
    """Of each kind of container at most two that are not well; then one that is."""
    pods = [each for each in parts(facts.pods) if not is_lost(facts, each)]
    all_of_them = [each for pod in pods for each in containers_of(pod) if _has_run(each)]
    unwell = [each for each in all_of_them if each.is_failing(facts) or not each.is_ready]
    chosen: list[Container] = []
    for each in unwell:
        if sum(other.name == each.name for other in chosen) < MOST_TAILS // 2:
            chosen.append(each)
    return (chosen or all_of_them[:1])[:MOST_TAILS]


def _has_run(container: Container) -> bool:
    return container.is_running or bool(container.ended)
