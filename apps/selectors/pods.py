"""Looks at one pod, and at the events of an application, on its cluster now, as the environment's own account.

Raises ResourceNotFound for a pod that is not there or is not the application's, and what clusters.access raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.manifests.paths import collection, path
from apps.models import Workload
from apps.rollouts.progress import PodState, pod_state
from clusters import access
from clusters.errors import ResourceNotFound
from clusters.manifests.workload_labels import APP_LABEL

MOST_EVENTS = 200


@dataclass(frozen=True)
class ContainerView:
    """One container of a pod as a page shows it."""

    name: str
    image: str
    ready: bool
    restarts: int
    state: str
    why: str
    last: str


@dataclass(frozen=True)
class Happening:
    """One event: when last, how often, about what, why, in whose words."""

    at: str
    count: int
    about: str
    reason: str
    message: str
    is_warning: bool


@dataclass(frozen=True)
class PodView:
    """A pod with its containers and events."""

    state: PodState
    containers: tuple[ContainerView, ...]
    events: tuple[Happening, ...]


def pod(workload: Workload, name: str) -> PodView:
    """One pod of the application there."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    found = client.get(path("Pod", namespace, name))
    if (_map(found, "metadata").get("labels") or {}).get(APP_LABEL) != workload.app.name:
        raise ResourceNotFound(name, status=404)
    selector = f"involvedObject.kind=Pod,involvedObject.name={name}"
    events = client.get(collection("Event", namespace), fieldSelector=selector, limit=MOST_EVENTS)
    mine = [each for each in events.get("items") or [] if _map(each, "involvedObject").get("name") == name]
    return PodView(pod_state(found), _containers(found), _happenings(mine))


def events(workload: Workload) -> tuple[Happening, ...]:
    """What the cluster said about the application's objects lately, newest first."""
    client, namespace = access.kubernetes_for(workload.environment), workload.environment.namespace
    found = client.get(collection("Event", namespace), limit=2000).get("items") or []
    app = workload.app.name
    mine = [each for each in found if _is_of(str(_map(each, "involvedObject").get("name", "")), app)]
    return _happenings(mine)[:MOST_EVENTS]


def _is_of(name: str, app: str) -> bool:
    return name == app or name.startswith(f"{app}-")


def _containers(found: dict[str, Any]) -> tuple[ContainerView, ...]:
    said = {each.get("name"): each for each in _map(found, "status").get("containerStatuses") or []}
    rows = []
    for each in _map(found, "spec").get("containers") or []:
        status = said.get(each.get("name"), {})
        state, why = _state(_map(status, "state"))
        last_state, last_why = _state(_map(status, "lastState"))
        rows.append(
            ContainerView(
                name=str(each.get("name", "")),
                image=str(each.get("image", "")),
                ready=status.get("ready") is True,
                restarts=int(status.get("restartCount") or 0),
                state=state,
                why=why,
                last=f"{last_state} {last_why}".strip(),
            )
        )
    return tuple(rows)


def _state(state: dict[str, Any]) -> tuple[str, str]:
    for name, detail in state.items():
        detail = detail if isinstance(detail, dict) else {}
        code = f" ({detail['exitCode']})" if "exitCode" in detail else ""
        return f"{detail.get('reason') or name}{code}", str(detail.get("message") or "")[:500]
    return "", ""


def _happenings(rows: list[dict[str, Any]]) -> tuple[Happening, ...]:
    made = [
        Happening(
            at=str(each.get("lastTimestamp") or each.get("eventTime") or each.get("firstTimestamp") or ""),
            count=int(each.get("count") or 1),
            about=f"{_map(each, 'involvedObject').get('kind', '')} {_map(each, 'involvedObject').get('name', '')}",
            reason=str(each.get("reason") or ""),
            message=str(each.get("message") or "")[:1000],
            is_warning=each.get("type") == "Warning",
        )
        for each in rows
    ]
    return tuple(sorted(made, key=lambda each: each.at, reverse=True))


def _map(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
