"""Reading nodes: the mirrored rows, and live answers of the API server (pods, component health) within a
time limit.

Live answers carry their own failure: a page shows what the portal knows and says what could not be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

from django.core.cache import cache
from django.db import close_old_connections
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.utils import timezone

from clusters import access
from clusters.adapters.kubernetes import KubernetesClient
from clusters.errors import ClusterError, ResourceNotFound
from clusters.manifests.network_policy import LEASES_PATH
from clusters.models import Cluster, Node
from clusters.observing.nodes import PodSummary, moment, pod_summary, pods_by_node
from clusters.observing.policies import Guard, guard
from kcloud_site.tenants.encryption import SecretUnreadable

LIVE_SECONDS = 2.0
PODS_SHOWN = 500
COUNTS_KEPT = 10
# A leader renews its lease every few seconds; one this old has no holder that lives.
LEASE_SECONDS = 20.0
COMPONENTS = ("kube-scheduler", "kube-controller-manager")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Live:
    """Pods of one node, or why they could not be read."""

    pods: list[PodSummary] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True)
class Master:
    """One API server: its address, whether it is ready, and the checks that failed."""

    endpoint: str
    address: str
    ready: bool
    failing: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Leader:
    """A component that elects a leader: who holds the lease, and whether it is fresh."""

    name: str
    holder: str = ""
    renewed_at: datetime | None = None
    fresh: bool = False


@dataclass(frozen=True)
class ControlPlane:
    """What the control plane says about itself right now."""

    masters: list[Master] = field(default_factory=list)
    leaders: list[Leader] = field(default_factory=list)
    problem: str = ""
    # None: not asked, since other people's clusters keep policies in their own way.
    policies: Guard | None = None

    @property
    def ready_masters(self) -> int:
        return sum(master.ready for master in self.masters)

    @property
    def store_is_well(self) -> bool:
        """etcd as every ready API server sees it."""
        return bool(self.ready_masters) and not any("etcd" in master.failing for master in self.masters)


def nodes_of(cluster: Cluster, *, text: str = "", role: str = "", state: str = "") -> QuerySet[Node]:
    """A cluster's nodes, worst first: not ready, then unknown, then cordoned, then by name."""
    found = Node.objects.filter(cluster=cluster)
    if text:
        found = found.filter(name__icontains=text)
    if role:
        # JSON lists have no "contains" on SQLite: roles are few, so their text is searched with its quotes.
        found = found.filter(roles__icontains=f'"{role}"')
    conditions = {
        "ready": Q(ready="True"),
        "not-ready": ~Q(ready="True"),
        "cordoned": Q(schedulable=False),
    }
    if state in conditions:
        found = found.filter(conditions[state])
    rank = Case(
        When(ready="False", then=Value(0)),
        When(ready="Unknown", then=Value(1)),
        When(schedulable=False, then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    return found.annotate(rank=rank).order_by("rank", "name")


def pods_on(cluster: Cluster, node: str) -> Live:
    """The pods on one node, asked now. Never raises: a silent cluster is part of the answer."""
    try:
        client = access.kubernetes_for(cluster, timeout=LIVE_SECONDS)
        items = client.get("/api/v1/pods", fieldSelector=f"spec.nodeName={node}", limit=PODS_SHOWN).get(
            "items"
        )
    except (ClusterError, SecretUnreadable) as error:
        return Live(problem=str(error))
    pods = [pod_summary(each) for each in items or []]
    return Live(sorted(pods, key=lambda pod: (pod.is_well, pod.namespace, pod.name)))


def pod_counts(cluster: Cluster) -> dict[str, int]:
    """Pods per node; {} when the cluster does not answer. Kept for some seconds: a list polls it."""
    key = f"clusters.pods:{cluster.pk}"
    kept: dict[str, int] | None = cache.get(key)
    if kept is None:
        try:
            client = access.kubernetes_for(cluster, timeout=LIVE_SECONDS)
            kept = pods_by_node(client.get_bytes("/api/v1/pods", resourceVersion="0"))
        except (ClusterError, SecretUnreadable):
            kept = {}
        cache.set(key, kept, COUNTS_KEPT)
    return kept


def control_plane(cluster: Cluster) -> ControlPlane:
    """Every API server asked at the same time, and the leases of scheduler, control service and policy agents."""
    try:
        client = access.kubernetes_for(cluster, timeout=LIVE_SECONDS)
        alone = access.kubernetes_each(cluster, timeout=LIVE_SECONDS)
    except (ClusterError, SecretUnreadable) as error:
        return ControlPlane(problem=str(error))
    with ThreadPoolExecutor(max_workers=4) as pool:
        masters = list(pool.map(_quietly(_master), alone.keys(), alone.values()))
        # Nobody is asked for leases when nobody answers: the page would wait a second time.
        awake = COMPONENTS if any(master.ready for master in masters) else ()
        leaders = list(pool.map(_quietly(_leader), [client] * len(awake), awake))
    ours = awake and cluster.origin == Cluster.Origin.DEPLOYED
    return ControlPlane(masters, leaders, policies=_policies(cluster, client) if ours else None)


def _policies(cluster: Cluster, client: KubernetesClient) -> Guard | None:
    """On which of the nodes the portal knows policies hold right now."""
    try:
        leases = client.get(LEASES_PATH, resourceVersion="0").get("items") or []
    except ClusterError:
        return None
    return guard(cluster.nodes.values_list("name", flat=True), leases, timezone.now())


def _quietly(ask: Callable[..., Answer]) -> Callable[..., Answer]:
    """In a thread of its own no database connection may stay behind."""

    def asked(*arguments: object) -> Answer:
        try:
            return ask(*arguments)
        finally:
            close_old_connections()

    return asked


def _master(endpoint: str, client: KubernetesClient) -> Master:
    address = urlsplit(endpoint).hostname or endpoint
    try:
        lines = client.get_bytes("/readyz", verbose="1").decode("utf-8", "replace").splitlines()
    except ClusterError as error:
        failing = tuple(line[3:].split(" ")[0] for line in error.why.splitlines() if line.startswith("[-]"))
        return Master(endpoint, address, False, failing, "" if failing else error.why or error.what)
    return Master(
        endpoint, address, True, tuple(line[3:].split(" ")[0] for line in lines if line.startswith("[-]"))
    )


def _leader(client: KubernetesClient, name: str) -> Leader:
    try:
        lease = client.get(f"/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{name}")
    except (ResourceNotFound, ClusterError):
        return Leader(name)
    spec = lease.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    renewed = moment(str(spec.get("renewTime", "")))
    fresh = renewed is not None and abs((timezone.now() - renewed).total_seconds()) < LEASE_SECONDS
    return Leader(name, str(spec.get("holderIdentity", "")).split("_")[0], renewed, fresh)
