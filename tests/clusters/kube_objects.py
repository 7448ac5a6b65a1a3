"""Nodes and pods as an API server gives them, and rows of clusters, for tests."""

from django.utils import timezone

from clusters.models import Cluster, Credential, Host, Membership, Node, PlanRevision, Region
from clusters.observing.nodes import node_status
from clusters.services import observation


def raw_node(
    name, *, ready="True", roles=(), version="v1.34.4", labels=None, taints=(), address="192.0.2.5", **spec
):
    """One Node object."""
    every = {"kubernetes.io/hostname": name} | (labels or {})
    every |= {f"node-role.kubernetes.io/{role}": "" for role in roles}
    conditions = [
        {"type": "MemoryPressure", "status": "False", "reason": "KubeletHasSufficientMemory"},
        {
            "type": "Ready",
            "status": ready,
            "reason": "KubeletReady" if ready == "True" else "NodeStatusUnknown",
            "message": "all is well" if ready == "True" else "Kubelet stopped posting node status.",
            "lastHeartbeatTime": "2026-01-01T00:00:10Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        },
    ]
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": "7",
            "labels": every,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"taints": list(taints), **spec},
        "status": {
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
            "capacity": {"cpu": "2", "memory": "4Gi", "pods": "110", "ephemeral-storage": "20Gi"},
            "allocatable": {"cpu": "1900m", "memory": "3500Mi", "pods": "110"},
            "conditions": conditions,
            "nodeInfo": {"kubeletVersion": version, "osImage": "Debian 12", "kernelVersion": "6.1"},
        },
    }


def raw_pod(name, *, node="w1", phase="Running", ready=True, namespace="default", **status):
    """One Pod object."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": node, "containers": [{"name": "app"}]},
        "status": {"phase": phase, "podIP": "10.244.1.2", "containerStatuses": [{"ready": ready}], **status},
    }


def make_cluster(name="dev", **values):
    """A cluster that runs."""
    defaults = {
        "state": Cluster.State.READY,
        "health": Cluster.Health.HEALTHY,
        "health_since": timezone.now(),
        "version": "1.34.4",
        "endpoints": ["https://203.0.113.1:6443"],
    }
    return Cluster.objects.create(name=name, **(defaults | values))


def make_nodes(cluster, *raws):
    """Mirror the nodes as the watch would."""
    observation.replace_nodes(cluster_pk=cluster.pk, seen=[node_status(raw) for raw in raws])
    return list(Node.objects.filter(cluster=cluster))


def make_host(name, *, address, cluster=None, role="", pool=""):
    """A host, a member of the cluster when a role is given."""
    region, _made = Region.objects.get_or_create(name="lab", defaults={"title": "Lab"})
    credential, _made = Credential.objects.get_or_create(
        name="lab", defaults={"username": "root", "sealed_secret": b"-"}
    )
    host = Host.objects.create(
        name=name, region=region, address=address, credential=credential, cluster=cluster
    )
    if role:
        Membership.objects.create(cluster=cluster, host=host, role=role, pool=pool)
    return host


def make_plan(cluster, *, pools=(), number=1, masters=("m1",), version="1.34.4"):
    """The next revision of a cluster's plan."""
    spec = {
        "name": cluster.name,
        "region": "lab",
        "version": version,
        "masters": list(masters),
        "pools": list(pools),
    }
    return PlanRevision.objects.create(cluster=cluster, number=number, spec=spec, by_name="operator")
