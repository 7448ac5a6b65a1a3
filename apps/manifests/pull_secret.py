"""The Secret with which an environment's nodes pull: the platform's images, and those its tenant signs in for. Pure."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.specs.images import PUBLIC_HOST
from clusters.manifests.environment import MANAGED_BY

# Pods of applications name it (imagePullSecrets).
PULL_SECRET = "kcloud-registry"  # noqa: S105 # an object's name
ENDS_AT, HOST, LOGINS = "kcloud.local/ends-at", "kcloud.local/registry", "kcloud.local/logins"
# What the container runtime's world calls the public registry in such a document.
_PUBLIC_KEY = "https://index.docker.io/v1/"


def pull_secret(
    namespace: str, logins: Mapping[str, tuple[str, str]], *, host: str, mark: str, ends_at: datetime
) -> dict[str, Any]:
    """The object. `logins` {host: (name, password)}, that of the platform's registry `host` among them; `mark` says
    which logins of others they are."""
    config = {"auths": {_key(each): _login(*login) for each, login in sorted(logins.items())}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": PULL_SECRET,
            "namespace": namespace,
            "labels": {MANAGED_BY[0]: MANAGED_BY[1]},
            "annotations": {ENDS_AT: ends_at.isoformat(timespec="seconds"), HOST: host, LOGINS: mark},
        },
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(json.dumps(config).encode()).decode()},
    }


def lasts_until(found: Mapping[str, Any], host: str, mark: str = "") -> datetime | None:
    """When the secret that is there ends; None when it is for another registry or other logins, or does not say."""
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    if annotations.get(HOST) != host or annotations.get(LOGINS, "") != mark:
        return None
    try:
        return datetime.fromisoformat(annotations.get(ENDS_AT, ""))
    except ValueError:
        return None


def holds_logins(found: Mapping[str, Any]) -> bool:
    """Whether the secret that is there lets somebody sign in anywhere."""
    annotations = (found.get("metadata") or {}).get("annotations") or {}
    return bool(annotations.get(HOST) or annotations.get(LOGINS))


def _key(host: str) -> str:
    return _PUBLIC_KEY if host == PUBLIC_HOST else host


def _login(name: str, password: str) -> dict[str, str]:
    both = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"username": name, "password": password, "auth": both}
