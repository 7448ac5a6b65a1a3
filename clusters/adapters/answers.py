"""What an API server answers, taken as hostile text: bounded, timed, and turned into objects or our own
errors.

Part of the Kubernetes adapter; knows no library but urllib3's response. Raises ClusterUnreachable for
what breaks off, is too big or is not JSON, and ClusterRefused (or ResourceNotFound, ResourceConflict,
WatchExpired) for a "no".
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec
import urllib3
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clusters.errors import (
    ClusterRefused,
    ClusterUnreachable,
    ResourceConflict,
    ResourceNotFound,
    WatchExpired,
)

CHUNK = 64 * 1024
_PLAIN: tuple[tuple[type[BaseException], Any], ...] = (
    (urllib3.exceptions.NameResolutionError, gettext_lazy("the name does not resolve")),
    (urllib3.exceptions.ReadTimeoutError, gettext_lazy("no answer in time")),
    (TimeoutError, gettext_lazy("no answer in time")),
    (urllib3.exceptions.ProtocolError, gettext_lazy("the connection broke off")),
)
LONGEST_WAIT = 2.0
# Plurals that are not the lower-case kind with an "s".
PLURALS = {
    "Endpoints": "endpoints",
    "Ingress": "ingresses",
    "IngressClass": "ingressclasses",
    "NetworkPolicy": "networkpolicies",
    "PriorityClass": "priorityclasses",
    "RuntimeClass": "runtimeclasses",
    "StorageClass": "storageclasses",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}
CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "CSIDriver",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)


class Status(msgspec.Struct, frozen=True):
    """The fields we use of Kubernetes' Status object."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    details: dict[str, Any] | None = None


def path_of(obj: dict[str, Any]) -> str:
    """The API path of one object, from its own apiVersion, kind, namespace and name."""
    version, kind, metadata = str(obj["apiVersion"]), str(obj["kind"]), obj["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind not in CLUSTER_SCOPED:
        root += f"/namespaces/{quote(str(metadata.get('namespace') or 'default'), safe='')}"
    return f"{root}/{PLURALS.get(kind, kind.lower() + 's')}/{quote(str(metadata['name']), safe=':')}"


def read_all(response: urllib3.BaseHTTPResponse, limit: int, deadline: float, endpoint: str) -> bytes:
    """The whole body, or ClusterUnreachable when it grows beyond the limit, lasts beyond the deadline or
    breaks off."""
    parts: list[bytes] = []
    size = 0
    try:
        while chunk := response.read1(CHUNK, decode_content=False):
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                raise unreachable(
                    [
                        _("%(endpoint)s: the answer is larger than %(limit)d MiB")
                        % {"endpoint": endpoint, "limit": limit // 1024 // 1024}
                    ]
                )
            if time.monotonic() > deadline:
                raise unreachable(
                    [_("%(endpoint)s: the answer did not end in time") % {"endpoint": endpoint}]
                )
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        response.close()
        raise unreachable([f"{endpoint}: {plain(error)}"]) from error
    except ClusterUnreachable:
        response.close()
        raise
    response.release_conn()
    return b"".join(parts)


def lines(response: urllib3.BaseHTTPResponse, limit: int, endpoint: str) -> Iterator[bytes]:
    """The lines of a stream as they come; one line longer than the limit ends it."""
    rest = b""
    try:
        while chunk := response.read1(CHUNK, decode_content=False):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line for line in whole if line.strip())
            if len(rest) > limit:
                raise unreachable([_("%(endpoint)s: one event is too large") % {"endpoint": endpoint}])
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise unreachable([f"{endpoint}: {plain(error)}"]) from error


def event(line: bytes, path: str) -> tuple[str, dict[str, Any]]:
    """One watch event; an ERROR event becomes the exception it stands for."""
    data = as_object(line, path)
    kind, obj = str(data.get("type", "")), data.get("object")
    if not isinstance(obj, dict):
        raise _not_json(path)
    if kind == "ERROR":
        code = obj.get("code")
        raise refused(code if isinstance(code, int) else 500, msgspec.json.encode(obj), path)
    return kind, obj


def as_object(data: bytes, path: str) -> dict[str, Any]:
    """The JSON object in an answer. Raises ClusterUnreachable when it is none: what answers is no API
    server."""
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _not_json(path) from error
    if not isinstance(found, dict):
        raise _not_json(path)
    return found


def refused(status: int, body: bytes, path: str) -> ClusterRefused:
    """The error a status above 299 stands for, with Kubernetes' own words as the why."""
    said = _status(body)
    why = said.message[:2000]
    what = _("The API server answered %(status)d for %(path)s.") % {"status": status, "path": path}
    if status == 404:
        return ResourceNotFound(
            what, why, _("Check the name, or refresh the page."), status=404, reason=said.reason
        )
    if status == 410 or said.reason in ("Expired", "Gone"):
        return WatchExpired(what, why, _("List again and watch from there."), status=410, reason=said.reason)
    if status == 409:
        return _conflict(said, what, why)
    return ClusterRefused(what, why, _remedy(status), status=status, reason=said.reason)


def retry_after(response: urllib3.BaseHTTPResponse) -> float:
    """How long a busy server asks us to wait, within reason."""
    try:
        asked = float(response.headers.get("Retry-After", "1"))
    except ValueError:
        asked = 1.0
    return min(max(asked, 0.0), LONGEST_WAIT)


def unreachable(problems: Sequence[str]) -> ClusterUnreachable:
    """No endpoint gave an answer: each with its own reason."""
    return ClusterUnreachable(
        _("The cluster's API server does not answer."),
        "; ".join(problems),
        _("Check that the API server runs and that the portal reaches its address."),
    )


def plain(error: BaseException) -> str:
    """A library's error in plain words, without object addresses. The order matters: urllib3's errors
    nest."""
    if isinstance(error, urllib3.exceptions.SSLError) and error.args:
        return str(error.args[0])
    for kind, said in _PLAIN:
        if isinstance(error, kind):
            return str(said)
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return str(error).rsplit(": ", maxsplit=1)[-1]
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        return _("no connection in time")
    return str(error) or type(error).__name__


def cut(response: urllib3.BaseHTTPResponse) -> None:
    """End a stream another thread is reading: its read returns at once."""
    with contextlib.suppress(ValueError, RuntimeError, OSError):
        response.shutdown()


def _conflict(said: Status, what: str, why: str) -> ResourceConflict:
    causes = (said.details or {}).get("causes") or []
    fields = [str(cause.get("field", "")) for cause in causes if isinstance(cause, dict)]
    remedy = (
        _("Let their owner give them up, or apply with force.")
        if fields
        else _("Read it again and try again.")
    )
    return ResourceConflict(what, why, remedy, reason=said.reason, fields=[name for name in fields if name])


def _remedy(status: int) -> str:
    if 300 <= status < 400:
        return _("Redirects are not followed: give the API server's own address.")
    if status == 401:
        return _("The portal's access has expired or was withdrawn: import the cluster again.")
    if status == 403:
        return _("Give the portal's user on this cluster the missing permission.")
    if status in (400, 422):
        return _("Correct the named fields.")
    return _("Try again later; look at the API server's log if it stays.")


def _status(body: bytes) -> Status:
    try:
        return msgspec.json.decode(body, type=Status)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Status(message=body[:300].decode("utf-8", "replace"))


def _not_json(path: str) -> ClusterUnreachable:
    return ClusterUnreachable(
        _("What answers for %(path)s is not a Kubernetes API server.") % {"path": path},
        _("The answer is not a JSON object."),
        _("Check the address and the port."),
    )
