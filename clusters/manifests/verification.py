"""What a deployment is verified with: on every worker a real pod, placed by the scheduler, behind a Service of its own.

One Service a pod, not one for all: so it is known which node answered, and every pair of nodes is really tried.
A policy lets only the pods' own port in. Nobody listens on any other, so there silence is the policy's doing, and an
answer of any kind (a refusal, most likely) says that policies do not hold. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NAMESPACE = "kcloud-verify"
IMAGE = "kcloud.local/hello:1"
NAMESPACE_PATH = f"/api/v1/namespaces/{NAMESPACE}"
PODS_PATH = f"{NAMESPACE_PATH}/pods"
SERVICES_PATH = f"{NAMESPACE_PATH}/services"
# Beyond this, every node asks its next so many neighbours: pairs grow with the square.
MOST_NEIGHBOURS = 12
PORT, CLOSED_PORT = 8080, 8081
_LABEL = "kcloud.local/verify"
Object = dict[str, Any]


def objects(nodes: Sequence[str]) -> list[Object]:
    """The namespace and its policy, then a pod and a Service for each node."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    return [namespace, _policy(), *(_pod(node) for node in nodes), *(_service(node) for node in nodes)]


def service_name(node: str) -> str:
    """A name that also fits nodes whose own begins with a digit."""
    return f"on-{node}"[:63].rstrip("-")


def probes(node: str, nodes: Sequence[str], addresses: dict[str, str], domain: str) -> list[dict[str, str]]:
    """Whom one node has to reach: its next neighbours in a ring, all others when there are few."""
    place = nodes.index(node)
    ring = [*nodes[place + 1 :], *nodes[:place]][:MOST_NEIGHBOURS] or [node]
    return [
        {
            "name": f"{service_name(other)}.{NAMESPACE}.svc.{domain}",
            "address": addresses[other],
            "node": other,
        }
        for other in ring
    ]


def closed(node: str, nodes: Sequence[str], pods: dict[str, str]) -> list[dict[str, str]]:
    """Where a pod on one node must get no answer: on the pods of its neighbours (address by node), none when alone."""
    place = nodes.index(node)
    ring = [*nodes[place + 1 :], *nodes[:place]][:MOST_NEIGHBOURS]
    return [{"address": pods[other], "port": str(CLOSED_PORT), "node": other} for other in ring]


def is_ready(pod: Object) -> bool:
    """Whether the pod runs and passes its probe."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)


def why_not(pod: Object) -> str:
    """What keeps the pod from running, in Kubernetes' words."""
    status = pod.get("status", {})
    for row in status.get("containerStatuses") or []:
        waiting = (row.get("state") or {}).get("waiting") or {}
        if waiting:
            return f"{waiting.get('reason', '')}: {waiting.get('message', '')}".rstrip(": ")
    for row in status.get("conditions") or []:
        if row.get("status") == "False" and row.get("message"):
            return f"{row.get('reason', '')}: {row['message']}"
    return str(status.get("phase", ""))


def _policy() -> Object:
    opened = [{"protocol": "TCP", "port": PORT}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "only-the-port", "namespace": NAMESPACE},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": opened}]},
    }


def _pod(node: str) -> Object:
    # The scheduler decides, among one: so it is tried, too.
    only_there = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [only_there]}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": service_name(node),
            "namespace": NAMESPACE,
            "labels": {_LABEL: service_name(node)},
        },
        "spec": {
            "affinity": {"nodeAffinity": affinity},
            "tolerations": [{"operator": "Exists"}],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container()],
        },
    }


def _container() -> Object:
    return {
        "name": "hello",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "env": [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _service(node: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service_name(node), "namespace": NAMESPACE},
        "spec": {"selector": {_LABEL: service_name(node)}, "ports": [{"port": 80, "targetPort": PORT}]},
    }
