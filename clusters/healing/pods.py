"""Which pods of a lost node may be replaced at once, and which have to wait until the node is known to be off. Pure.

A pod that a ReplicaSet owns has no identity: another may run beside it. One of a StatefulSet has, and perhaps a volume:
two of them at once would write over each other, so it moves only after fencing. All others (single pods, those of a
DaemonSet) would not come back elsewhere: they are left alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from clusters.manifests.fields import map_of
from clusters.manifests.workload_labels import APP_LABEL

What = Literal["replace", "fence", "leave"]
_BY_OWNER: Mapping[str, What] = {"ReplicaSet": "replace", "StatefulSet": "fence"}


@dataclass(frozen=True)
class Placed:
    """One pod: whose it is, and what may be done with it."""

    namespace: str
    name: str
    uid: str
    app: str
    what: What

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


def placed(pods: Iterable[Mapping[str, Any]]) -> list[Placed]:
    """The pods that have not ended, by namespace and name."""
    found = [_placed(each) for each in pods if not _has_ended(each)]
    return sorted((each for each in found if each.name and each.uid), key=lambda each: each.path)


def _placed(pod: Mapping[str, Any]) -> Placed:
    metadata = map_of(pod.get("metadata"))
    owners = metadata.get("ownerReferences")
    kinds = [str(map_of(each).get("kind")) for each in owners] if isinstance(owners, list) else []
    return Placed(
        namespace=str(metadata.get("namespace", "")),
        name=str(metadata.get("name", "")),
        uid=str(metadata.get("uid", "")),
        app=str(map_of(metadata.get("labels")).get(APP_LABEL, "")),
        what=_BY_OWNER.get(kinds[0], "leave") if kinds else "leave",
    )


def _has_ended(pod: Mapping[str, Any]) -> bool:
    return map_of(pod.get("status")).get("phase") in ("Succeeded", "Failed")
