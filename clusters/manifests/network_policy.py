"""What the network policy agents of the nodes may do in the API, and where they say that they are at work.

Each agent renews a lease of its node's name (`LEASES_PATH`); the portal reads them. Pure.
"""

from __future__ import annotations

from typing import Any

# Not "kcloud:...": such names belong to people who were handed a kubeconfig.
USER = "system:kcloud:network-policy"
NAMESPACE = "kcloud-network-policy"
LEASES_PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
WAY_LABEL = "kcloud.local/enforced-by"
_RBAC = "rbac.authorization.k8s.io"
Object = dict[str, Any]


def objects() -> list[Object]:
    """Everything to apply, in order: it has to be there before the first agent starts."""
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    read = ["get", "list", "watch"]
    cluster_rules = [
        {"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": read},
        {"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": read},
        # A lease belongs to its node, and goes with it.
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]},
    ]
    lease_rules = [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "create", "update"],
        }
    ]
    return [
        namespace,
        _role("ClusterRole", cluster_rules),
        _binding("ClusterRoleBinding", "ClusterRole"),
        _role("Role", lease_rules),
        _binding("RoleBinding", "Role"),
    ]


def _role(kind: str, rules: list[Object]) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": _name(kind),
        "rules": rules,
    }


def _binding(kind: str, role: str) -> Object:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": _name(kind),
        "roleRef": {"apiGroup": _RBAC, "kind": role, "name": USER},
        "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": USER}],
    }


def _name(kind: str) -> dict[str, str]:
    return {"name": USER} if kind.startswith("Cluster") else {"name": USER, "namespace": NAMESPACE}
