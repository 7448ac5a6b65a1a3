"""Reads log lines from VictoriaLogs by LogsQL over HTTP; what its shipper on the nodes writes (docs/logs.md).

A store has no order among lines of one time, so a digest of the text stands in for the number. Words and patterns
narrow there already; the rest is the same as everywhere (apps.loglines.query). Raises LogStoreUnreachable.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
import urllib3
from django.utils.translation import gettext as _

from apps.errors import LogStoreUnreachable
from apps.loglines.lines import LogLine, Point, clean, read_stamp, stamp
from apps.loglines.query import MOST_LINES, MOST_STREAMS, LogPage, Query, Stream, page_of
from apps.loglines.severity import severity_of
from clusters.manifests.workload_labels import APP_LABEL

NAMESPACE, POD, CONTAINER = "kubernetes.pod_namespace", "kubernetes.pod_name", "kubernetes.container_name"
APP, CLUSTER = f"kubernetes.pod_labels.{APP_LABEL}", "kcloud.cluster"
# What a shipper says of itself: the node it is on.
SHIPPER = "kcloud.shipper"
HEARD_MINUTES = 10
# A page of a cluster waits for it.
QUICK = 3.0
SECONDS, MOST_BYTES = 8.0, 32 * 1024 * 1024
KNOWN_DAYS = 7
_SPECIAL = frozenset("\\.+*?()|[]{}^$")


class _Server:
    """Where the store is, and how it is asked."""

    def __init__(self, url: str, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if parts.username:
            secret = f"{parts.username}:{parts.password or ''}"
            self._headers |= urllib3.make_headers(basic_auth=secret)

    def ask(self, text: str) -> Iterator[dict[str, Any]]:
        """The rows that answer a query of LogsQL."""
        body = urlencode({"query": text, "timeout": f"{int(self._seconds)}s"})
        try:
            with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(self._seconds)) as pools:
                response = pools.request(
                    "POST",
                    f"{self._url}/select/logsql/query",
                    body=body,
                    headers=self._headers,
                    redirect=False,
                    preload_content=False,
                )
                data = _bounded(response)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _unreachable(type(error).__name__) from error
        if response.status != 200:
            said = data[:300].decode("utf-8", "replace")
            raise _unreachable(
                _("It answered %(status)d: %(said)s") % {"status": response.status, "said": said}
            )
        return _rows(data)


def shippers(url: str, cluster: str) -> dict[str, datetime]:
    """When the shipper of each node of the cluster was last heard of, within the last minutes."""
    text = (
        f"{_quoted(CLUSTER)}:={_quoted(cluster)} {_quoted(SHIPPER)}:* _time:{HEARD_MINUTES}m"
        f" | stats by ({_quoted(SHIPPER)}) max(_time) as last | limit {MOST_STREAMS}"
    )
    found = (
        (str(row.get(SHIPPER, "")), read_stamp(str(row.get("last", ""))))
        for row in _Server(url, QUICK).ask(text)
    )
    return {node: datetime.fromtimestamp(at / 1e9, UTC) for node, at in found if at is not None}


class VictoriaLogs:
    """One application's lines in one environment."""

    def __init__(self, url: str, *, cluster: str, namespace: str, app: str) -> None:
        self._server = _Server(url)
        self._own = " ".join(
            f"{_quoted(field)}:={_quoted(value)}"
            for field, value in ((NAMESPACE, namespace), (CLUSTER, cluster), (APP, app))
        )

    def read(self, query: Query) -> LogPage:
        """One page: which streams there are, then their lines from one end."""
        streams = self._streams(query)
        wanted = [each for each in streams if query.wants(each.pod, each.container)]
        if not wanted:
            return page_of(query, [], known=streams)
        asked = MOST_LINES if query.severity or query.pattern else query.limit + 1
        order = "_time" if query.oldest_first or query.after else "_time desc"
        fields = ", ".join(_quoted(each) for each in ("_time", "_msg", POD, CONTAINER))
        text = (
            f"{self._own} {_window(query)} ({' or '.join(_of_stream(query, each) for each in wanted)})"
            f"{_narrowed(query)} | sort by ({order}) limit {asked} | fields {fields}"
        )
        lines = [line for row in self._server.ask(text) if (line := _line(row))]
        is_cut = len(lines) >= asked
        oldest = min((line.point.at for line in lines), default=0)
        floor = oldest if is_cut and "desc" in order else 0
        return page_of(query, [lines], known=streams, complete=not floor, floor=floor)

    def _streams(self, query: Query) -> list[Stream]:
        """The containers that wrote in the window, those that wrote last first kept."""
        window = _window(query) or f"_time:{KNOWN_DAYS}d"
        text = (
            f"{self._own} {window} | stats by ({_quoted(POD)}, {_quoted(CONTAINER)}) max(_time) as last"
            f" | sort by (last desc) limit {MOST_STREAMS}"
        )
        found = {(str(row.get(POD, "")), str(row.get(CONTAINER, ""))) for row in self._server.ask(text)}
        return [Stream(pod, container) for pod, container in sorted(found) if pod]


def _bounded(response: urllib3.BaseHTTPResponse) -> bytes:
    deadline, parts, size = time.monotonic() + 2 * SECONDS, [], 0
    while chunk := response.read1(64 * 1024):
        parts.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES or time.monotonic() > deadline:
            response.close()
            raise ValueError("the answer is too large or too slow")
    return b"".join(parts)


def _rows(data: bytes) -> Iterator[dict[str, Any]]:
    for row in data.splitlines():
        try:
            yield msgspec.json.decode(row, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreachable(_("What answers is no VictoriaLogs.")) from error


def _line(row: dict[str, Any]) -> LogLine | None:
    at = read_stamp(str(row.get("_time", "")))
    if at is None:
        return None
    text = clean(str(row.get("_msg", "")))
    number = zlib.crc32(text.encode()) % 10_000_000
    return LogLine(
        Point(at, str(row.get(POD, "")), str(row.get(CONTAINER, "")), number), text, severity_of(text)
    )


def _window(query: Query) -> str:
    parts = []
    if query.since is not None:
        parts.append(f"_time:>={stamp(query.since)}")
    if query.until is not None:
        parts.append(f"_time:<{stamp(query.until)}")
    return " ".join(parts)


def _of_stream(query: Query, stream: Stream) -> str:
    start = query.start_of(stream.pod, stream.container)
    time_part = f" _time:>={stamp(start)}" if query.after and start is not None else ""
    return f"({_quoted(POD)}:={_quoted(stream.pod)} {_quoted(CONTAINER)}:={_quoted(stream.container)}{time_part})"


def _narrowed(query: Query) -> str:
    if not query.words:
        return ""
    escaped = "".join(f"\\{each}" if each in _SPECIAL else each for each in query.words)
    return f" _msg:~{_quoted('(?i)' + escaped)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _unreachable(why: str) -> LogStoreUnreachable:
    return LogStoreUnreachable(
        _("The log store does not answer."),
        why,
        _("Check that it runs, and at the address the portal was told (docs/logs.md)."),
    )
