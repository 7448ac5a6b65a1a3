"""Log lines through the Kubernetes API: of all pods of a workload, as long as its nodes keep them.

The environment's own account asks. What a container writes is foreign and may be endless: each stream is read up to a
size, and a page says where it was cut. Positions fit together across cuts: what was cut off comes with the next page.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from apps.loglines.lines import BILLION, LogLine, read_stamp, read_stream, stamp
from apps.loglines.query import MOST_LINES, MOST_STREAMS, LogPage, Query, Stream, Unread, page_of
from clusters import access
from clusters.errors import ClusterError, ClusterRefused
from clusters.manifests.workload_labels import APP_LABEL

if TYPE_CHECKING:
    from apps.models import Workload
    from clusters.adapters.kubernetes import KubernetesClient

TAIL_BYTES, FOLLOWED_BYTES = 2 * 1024 * 1024, 4 * 1024 * 1024
AT_ONCE = 6
_SECONDS = 8.0
Object = dict[str, Any]


@dataclass(frozen=True)
class _Source:
    """One log to read: a container's now, or the one before its last restart."""

    stream: Stream
    previous: bool


@dataclass(frozen=True)
class _Read:
    stream: Stream
    lines: Sequence[LogLine] = ()
    why: str = ""
    is_cut: bool = False
    is_whole: bool = True


class KubernetesLogs:
    """The store of clusters without one."""

    def __init__(self, workload: Workload) -> None:
        self._environment = workload.environment
        self._app = workload.app.name
        self._pods = f"/api/v1/namespaces/{workload.environment.namespace}/pods"

    def read(self, query: Query) -> LogPage:
        """One page, every stream asked at once."""
        client = access.kubernetes_for(self._environment, timeout=_SECONDS)
        pods = client.list(self._pods, labelSelector=f"{APP_LABEL}={self._app}")
        streams = streams_of(pods)
        sources = _sources(pods, [each for each in streams if query.wants(each.pod, each.container)], query)
        with ThreadPoolExecutor(AT_ONCE) as several:
            found = list(several.map(lambda source: self._read_one(client, source, query), sources))
        return page_of(
            query,
            [each.lines for each in found],
            known=streams,
            unread=[Unread(each.stream.pod, each.stream.container, each.why) for each in found if each.why],
            cut=[f"{each.stream.pod}/{each.stream.container}" for each in found if each.is_cut],
            complete=all(each.is_whole for each in found),
        )

    def _read_one(self, client: KubernetesClient, source: _Source, query: Query) -> _Read:
        stream = source.stream
        params = _params(query, source)
        try:
            data = client.get_bytes(f"{self._pods}/{quote(stream.pod, safe='')}/log", **params)
        except ClusterRefused as error:
            return _Read(stream, why=error.why or error.what)
        except ClusterError as error:
            return _Read(stream, why=f"{error.what} {error.why}".strip())
        is_cut = len(data) >= int(params["limitBytes"])
        tail = int(params.get("tailLines", 0))
        is_whole = not tail or data.count(b"\n") < tail
        lines = read_stream(data, stream.pod, stream.container, whole_start=is_whole, whole_end=not is_cut)
        return _Read(stream, lines, is_cut=is_cut, is_whole=is_whole)


def streams_of(pods: Sequence[Object]) -> list[Stream]:
    """Every container of the pods that could have a log, by pod; those that run before the others last."""
    found = []
    for pod in sorted(pods, key=_name):
        for kind, part in (("", "containers"), ("init", "initContainers")):
            containers = (pod.get("spec") or {}).get(part) or []
            found += [Stream(_name(pod), str(each.get("name", "")), kind) for each in containers]
    return found[:MOST_STREAMS]


def _sources(pods: Sequence[Object], streams: Sequence[Stream], query: Query) -> list[_Source]:
    """The logs to read. Who follows also reads the last words of a container that has restarted since."""
    ended = {
        (_name(pod), each.get("name")): _ended_at(each) for pod in pods for each in _container_statuses(pod)
    }
    found = []
    for stream in streams:
        found.append(_Source(stream, query.previous))
        start = query.start_of(stream.pod, stream.container)
        last = ended.get((stream.pod, stream.container))
        if query.after and not query.previous and start is not None and last and last + BILLION > start:
            found.append(_Source(stream, True))
    return found


def _params(query: Query, source: _Source) -> dict[str, Any]:
    """Kubernetes counts from whole seconds, and from the newest line only when nothing bounds the end."""
    params: dict[str, Any] = {
        "container": source.stream.container,
        "timestamps": "true",
        "limitBytes": TAIL_BYTES,
    }
    if source.previous:
        params["previous"] = "true"
    start = query.start_of(source.stream.pod, source.stream.container)
    if start is not None:
        params["sinceTime"] = stamp(start // BILLION * BILLION)
    if query.after is not None or query.until is not None or query.oldest_first:
        params["limitBytes"] = FOLLOWED_BYTES
    else:
        is_filtered = query.words or query.pattern or query.severity
        params["tailLines"] = MOST_LINES if is_filtered else query.limit + 1
    return params


def _container_statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [
        each for part in ("containerStatuses", "initContainerStatuses") for each in status.get(part) or []
    ]


def _ended_at(container: Object) -> int | None:
    ended = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
    return read_stamp(ended) if isinstance(ended, str) else None


def _name(pod: Object) -> str:
    return str((pod.get("metadata") or {}).get("name", ""))


def running_containers(workload: Workload) -> list[tuple[str, str]]:
    """(pod, container) of everything of the workload in which a command could run now."""
    path = f"/api/v1/namespaces/{workload.environment.namespace}/pods"
    client = access.kubernetes_for(workload.environment, timeout=_SECONDS)
    pods = client.list(path, labelSelector=f"{APP_LABEL}={workload.app.name}")
    running = [pod for pod in pods if (pod.get("status") or {}).get("phase") == "Running"]
    return [(each.pod, each.container) for each in streams_of(running) if not each.kind]
