"""What the log shippers of the nodes may do in the API: know pods. Pure.

A rule cannot say "the pods of its own node"; the shipper's program asks for no others (modules/logs/api.go).
"""

from __future__ import annotations

from typing import Any

# Not "kcloud:...": such names belong to people who were handed a kubeconfig.
USER = "system:kcloud:log-shipper"
_RBAC = "rbac.authorization.k8s.io"
Object = dict[str, Any]


def objects() -> list[Object]:
    """Everything to apply, in order."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}]
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": USER}
    return [
        {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": USER}, "rules": rules},
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": USER},
            "roleRef": role,
            "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": USER}],
        },
    ]


def paths() -> list[str]:
    """Where the objects are, the binding first: to take them away."""
    base = f"/apis/{_RBAC}/v1"
    return [f"{base}/clusterrolebindings/{USER}", f"{base}/clusterroles/{USER}"]
