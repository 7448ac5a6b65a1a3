"""The Secret with which an environment's nodes pull from the platform's registry. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from clusters.manifests.environment import MANAGED_BY

# Pods of applications name it (imagePullSecrets).
PULL_SECRET = "kcloud-registry"  # noqa: S105 # an object's name
ENDS_AT, HOST = "kcloud.local/ends-at", "kcloud.local/registry"


def pull_secret(namespace: str, host: str, name: str, password: str, ends_at: datetime) -> dict[str, Any]:
    """The object."""
    both = base64.b64encode(f"{name}:{password}".encode()).decode()
    config = {"auths": {host: {"username": name, "password": password, "auth": both}}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": PULL_SECRET,
            "namespace": namespace,
            "labels": {MANAGED_BY[0]: MANAGED_BY[1]},
            "annotations": {ENDS_AT: ends_at.isoformat(timespec="seconds"), HOST: host},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()},
    }


def lasts_until(found: Mapping[str, Any], host: str) -> datetime | None:
    """When the secret that is there ends; None when it is for another registry or does not say."""
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    if annotations.get(HOST) != host:
        return None
    try:
        return datetime.fromisoformat(annotations.get(ENDS_AT, ""))
    except ValueError:
        return None
