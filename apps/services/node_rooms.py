"""The room on the nodes of a cluster: what they have, less what the pods placed on them ask for.

Read with the platform's access, for an account of one namespace cannot see it. What cannot be seen is None.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from apps.previewing.facts import Room, as_map, as_maps
from clusters import access
from clusters.errors import ClusterError, ResourceNotFound
from clusters.models import Cluster, Node
from clusters.observing.nodes import quantity

SECONDS = 8.0


class _Asked(msgspec.Struct):
    requests: dict[str, Any] = {}


class _Container(msgspec.Struct):
    resources: _Asked = msgspec.field(default_factory=_Asked)


class _Spec(msgspec.Struct):
    nodeName: str = ""  # noqa: N815 Kubernetes' own spelling
    containers: list[_Container] = []


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _Status = msgspec.field(default_factory=_Status)


class _Pods(msgspec.Struct):
    items: list[_Pod] = []


def rooms_of(cluster: Cluster) -> tuple[Room, ...] | None:
    """What is free of each node of the cluster; None when that cannot be seen."""
    nodes = [_room(row) for row in Node.objects.filter(cluster=cluster)]
    if not nodes:
        return None
    try:
        client = access.kubernetes_for(cluster, timeout=SECONDS)
        pods = msgspec.json.decode(client.get_bytes("/api/v1/pods"), type=_Pods).items
    except (ClusterError, ResourceNotFound, msgspec.DecodeError):
        return None
    return free_rooms(nodes, pods)


def free_rooms(nodes: Iterable[Room], pods: Iterable[_Pod]) -> tuple[Room, ...]:
    """The nodes less what the pods placed on them ask for; ended ones ask for nothing."""
    rooms = {each.name: each for each in nodes}
    for pod in pods:
        room = rooms.get(pod.spec.nodeName)
        if room is None or pod.status.phase in ("Succeeded", "Failed"):
            continue
        asked = [each.resources.requests for each in pod.spec.containers]
        rooms[room.name] = replace(
            room,
            cpu=room.cpu - sum(quantity(each.get("cpu", 0)) for each in asked),
            memory=room.memory - sum(quantity(each.get("memory", 0)) for each in asked),
            pods=room.pods - 1,
        )
    return tuple(rooms.values())


def _room(row: Node) -> Room:
    free = as_map(row.status.get("allocatable"))
    return Room(
        name=row.name,
        cpu=float(free.get("cpu") or 0),
        memory=float(free.get("memory") or 0),
        pods=float(free.get("pods") or 0),
        ready=row.ready == "True",
        schedulable=row.schedulable,
        taints=tuple(
            (str(each.get("key", "")), str(each.get("effect", "")))
            for each in as_maps(row.status.get("taints"))
        ),
        labels={str(key): str(value) for key, value in as_map(row.status.get("labels")).items()},
    )
