"""Where the objects of applications are found on an API server. Pure."""

from __future__ import annotations

from typing import Any

_PREFIXES = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Secret": ("/api/v1", "secrets"),
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
    "PersistentVolumeClaim": ("/api/v1", "persistentvolumeclaims"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
}


def collection(kind: str, namespace: str) -> str:
    """The list of a kind in a namespace."""
    prefix, plural = _PREFIXES[kind]
    return f"{prefix}/namespaces/{namespace}/{plural}"


def path(kind: str, namespace: str, name: str) -> str:
    """One object."""
    return f"{collection(kind, namespace)}/{name}"


def path_of(obj: dict[str, Any]) -> str:
    """The object's own place."""
    return path(obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"])
