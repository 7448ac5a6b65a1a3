"""The only way to a Kubernetes API server, and the only import of the official client.

The official client gives transport, TLS and sign-in; answers are read as raw JSON (its typed models cost
100 times more and raise on real objects). Every client has a Configuration of its own: the process-wide
default is never touched, no kubeconfig is loaded, no proxy is taken from the environment.

Contract: each endpoint is tried in turn; names are resolved, judged (kcloud_site.outbound.addresses) and connected to
in one step; no redirect is followed; an answer has a time limit and a size limit. Writes are server-side
apply as field manager "kcloud", or a patch where a list is shared with others and has no owners (a node's
taints). Raises ClusterUnreachable, AddressRefused, ClusterRefused,
ResourceNotFound, ResourceConflict, WatchExpired; errors of libraries do not leak, they are chained as
causes.
"""

from __future__ import annotations

import builtins
import copy
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3
from django.utils.translation import gettext as _
from kubernetes.client import ApiClient, Configuration

from clusters.adapters import answers, applying
from clusters.adapters.connections import checked_pool, tls_context
from clusters.adapters.execution import PROTOCOLS, Execution, listen
from clusters.adapters.websocket import Refused, WebSocket, WebSocketError
from clusters.errors import AddressRefused, ClusterRefused, ClusterUnreachable, ResourceNotFound
from kcloud_site.outbound.addresses import AddressRule

FIELD_MANAGER = "kcloud"
MANAGED_BY = {"app.kubernetes.io/managed-by": "kcloud"}
MAX_ANSWER = 64 * 1024 * 1024
MAX_EVENT = 4 * 1024 * 1024
PAGE = 500
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
CONNECT_SECONDS = 3.0
BUSY_TRIES = 3
# How the API server begins the event that ends a watch.
_ERROR_LINE = b'{"type":"ERROR"'


@dataclass(frozen=True, repr=False)
class SignIn:
    """How the portal proves who it is: a client certificate with its key, or a bearer token. PEM bytes."""

    certificate_authority: bytes
    certificate: bytes = b""
    key: bytes = b""
    token: str = ""


class KubernetesClient:
    """One cluster. Safe to share between threads; `close` ends its watches too."""

    def __init__(
        self,
        endpoints: Sequence[str],
        sign_in: SignIn,
        rule: AddressRule | None = None,
        *,
        timeout: float = 10.0,
    ) -> None:
        if not endpoints:
            raise ClusterUnreachable(
                _("The cluster has no API server address."), "", _("Deploy the cluster, or import it again.")
            )
        self._endpoints = [url.rstrip("/") for url in endpoints]
        self._preferred = 0
        self._timeout = timeout
        self._streams: set[urllib3.BaseHTTPResponse] = set()
        self._guard = threading.Lock()
        self._closed = False
        self._api = self._make_api(sign_in)
        self._pools = self._make_pools(sign_in, rule or AddressRule())

    # --- reading ----------------------------------------------------------------------------------

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """The JSON object at `path`; `params` become the query."""
        return answers.as_object(self.get_bytes(path, **params), path)

    def get_bytes(self, path: str, **params: Any) -> bytes:
        """The raw answer at `path`: logs, /readyz?verbose, or JSON to be read into structs."""
        return self._call("GET", path, params)

    def list(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """All items of a collection, page by page, so that no single answer is huge."""
        items: list[dict[str, Any]] = []
        query = {"limit": PAGE, **params}
        while True:
            page = self.get(path, **query)
            items.extend(page.get("items") or [])
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return items
            query["continue"] = token

    def version(self) -> str:
        """The server's version, as "v1.34.4"."""
        return str(self.get("/version").get("gitVersion", ""))

    def readyz(self) -> bool:
        """Whether the API server says it is ready. False also when it says it is not; raises when
        unreachable."""
        try:
            return self.get_bytes("/readyz").strip() == b"ok"
        except ClusterRefused:
            return False

    # --- writing ----------------------------------------------------------------------------------

    def apply(self, obj: dict[str, Any], force: bool = True, dry_run: bool = False) -> dict[str, Any]:
        """Server-side apply of one object; answers what the server keeps, or, with `dry_run`, would keep.
        ResourceConflict names others' fields."""
        wanted = copy.deepcopy(obj)
        labels = wanted.setdefault("metadata", {}).setdefault("labels", {})
        labels.update(MANAGED_BY)
        path = answers.path_of(wanted)
        body = msgspec.json.encode(wanted)
        params = {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"}
        if dry_run:
            params["dryRun"] = "All"
        return answers.as_object(self._call("PATCH", path, params, body), path)

    def apply_all(
        self, objects: Iterable[dict[str, Any]], width: int = applying.WIDTH
    ) -> builtins.list[dict[str, Any]]:
        """Server-side apply of many, `width` at a time, what others stand on first; answers what the server keeps, in
        the order given. Raises the first error when all on their way have come back."""
        return applying.apply_all(self.apply, objects, width)

    def patch(self, path: str, changes: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        """JSON merge patch of one object that is there; answers what the server keeps. With the
        `metadata.resourceVersion` it was read at, ResourceConflict when it has changed since."""
        body = msgspec.json.encode(changes)
        query = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        answer = self._call("PATCH", path, query, body, _MERGE)
        return answers.as_object(answer, path)

    def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Create one object in the collection `path` (or ask a subresource, as for a token); answers what the server
        keeps. ResourceConflict: one of that name is there already."""
        body = msgspec.json.encode(obj)
        return answers.as_object(self._call("POST", path, {"fieldManager": FIELD_MANAGER}, body), path)

    def delete(self, path: str, uid: str = "", grace: int | None = None) -> None:
        """Delete one object with everything it owns; with `uid`, only that very one (else ResourceConflict). `grace` 0
        does not wait for a pod to end. Absent already is what was wanted."""
        options: dict[str, Any] = {"preconditions": {"uid": uid}} if uid else {}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        body = msgspec.json.encode(options) if options else None
        try:
            self._call("DELETE", path, {"propagationPolicy": "Background"}, body)
        except ResourceNotFound:
            return

    # --- commands ---------------------------------------------------------------------------------

    def execute(
        self, path: str, command: Sequence[str], *, container: str, seconds: float, max_output: int
    ) -> Execution:
        """Run a command in a container of the pod at `path`, its input closed, and listen for so long and so much."""
        named = [("container", container), ("stdout", "true"), ("stderr", "true")]
        target = f"{path}/exec?{urlencode([*(('command', each) for each in command), *named])}"
        headers = {"User-Agent": FIELD_MANAGER}
        self._api.update_params_for_auth(headers, [], ["BearerToken"])
        connection, endpoint = self._connect()
        try:
            channel = WebSocket(connection.sock, time.monotonic() + seconds)
            host = urlsplit(endpoint)
            channel.open(host.netloc, host.path + target, headers, PROTOCOLS)
            return listen(channel, max_output)
        except Refused as error:
            raise answers.refused(error.status, error.body, f"{path}/exec") from error
        except (WebSocketError, OSError) as error:
            # Never at the next server: the command may have begun.
            raise answers.unreachable([f"{endpoint}: {answers.plain(error)}"]) from error
        finally:
            connection.close()

    def _connect(self) -> tuple[Any, str]:
        """A connection of its own to the first API server that takes one."""
        problems: list[str] = []
        for index in self._order():
            endpoint = self._endpoints[index]
            try:
                return self._connected(endpoint), endpoint
            except (urllib3.exceptions.HTTPError, ssl.SSLError, OSError, ValueError) as error:
                cause: Exception = error
                problems.append(f"{endpoint}: {answers.plain(error)}")
        raise answers.unreachable(problems) from cause

    def _connected(self, endpoint: str) -> Any:
        """A connection of its own, checked as every other."""
        if self._closed:
            raise ClusterUnreachable(_("The connection to the cluster is closed."))
        pool: Any = self._pools.connection_from_url(endpoint)
        connection = pool._new_conn()
        connection.timeout = CONNECT_SECONDS
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

    # --- watching ---------------------------------------------------------------------------------

    def watch(
        self, path: str, resource_version: str = "", timeout: float = 300.0, **selectors: Any
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(type, object) as they happen, until the server ends the watch after `timeout` seconds or
        `close`. `selectors`: labelSelector, fieldSelector.

        Types are ADDED, MODIFIED, DELETED and BOOKMARK. WatchExpired: list again. A silent connection
        (bookmarks come every minute) ends in ClusterUnreachable.
        """
        for line in self.watch_lines(path, resource_version, timeout, **selectors):
            yield answers.event(line, path)

    def watch_lines(
        self, path: str, resource_version: str = "", timeout: float = 300.0, **selectors: Any
    ) -> Iterator[bytes]:
        """As `watch`, each event as the line it came as: for readers that take few of its fields."""
        params: dict[str, Any] = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": max(1, int(timeout)),
            **selectors,
        }
        if resource_version:
            params["resourceVersion"] = resource_version
        response = self._open("GET", path, params, read_seconds=min(timeout + 5, 90.0))
        self._remember(response)
        try:
            if response.status >= 300:
                raise answers.refused(response.status, self._read(response), path)
            for line in answers.lines(response, MAX_EVENT, self._endpoints[self._preferred]):
                if line.startswith(_ERROR_LINE):
                    answers.event(line, path)
                yield line
        finally:
            self._forget(response)
            response.close()

    def close(self) -> None:
        """End every watch and every kept connection. The client is of no use afterwards."""
        with self._guard:
            self._closed = True
            streams = list(self._streams)
        for stream in streams:
            answers.cut(stream)
        self._pools.clear()

    # --- transport --------------------------------------------------------------------------------

    def _make_api(self, sign_in: SignIn) -> ApiClient:
        configuration = Configuration()
        configuration.host = self._endpoints[0]
        configuration.proxy = None
        configuration.verify_ssl = True
        if sign_in.token:
            configuration.api_key = {"authorization": sign_in.token}
            configuration.api_key_prefix = {"authorization": "Bearer"}
        return ApiClient(configuration)

    def _make_pools(self, sign_in: SignIn, rule: AddressRule) -> urllib3.PoolManager:
        """The client's own pools, with our connections (checked addresses) and our TLS context (no system
        roots)."""
        pools: urllib3.PoolManager = self._api.rest_client.pool_manager
        keys = pools.connection_pool_kw
        for name in ("ca_certs", "cert_file", "key_file"):
            keys.pop(name, None)
        keys["ssl_context"] = tls_context(sign_in.certificate_authority, sign_in.certificate, sign_in.key)
        pools.pool_classes_by_scheme = {"https": checked_pool(rule)}
        return pools

    def _call(
        self,
        method: str,
        path: str,
        params: dict[str, Any],
        body: bytes | None = None,
        content: str = "",
    ) -> bytes:
        deadline = time.monotonic() + self._timeout
        for attempt in range(BUSY_TRIES):
            response = self._open(method, path, params, body, content, read_seconds=self._timeout)
            data = self._read(response, deadline)
            if response.status < 300:
                return data
            wait = answers.retry_after(response)
            if response.status != 429 or attempt == BUSY_TRIES - 1 or time.monotonic() + wait > deadline:
                break
            time.sleep(wait)
        raise answers.refused(response.status, data, path)

    def _open(
        self,
        method: str,
        path: str,
        params: dict[str, Any],
        body: bytes | None = None,
        content: str = "",
        *,
        read_seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        """The answer's head from the first endpoint that gives one, the one that worked last time first."""
        problems: list[str] = []
        for index in self._order():
            url = self._endpoints[index] + path + (f"?{urlencode(params)}" if params else "")
            try:
                response = self._send(method, url, body, content, read_seconds)
            except AddressRefused:
                raise
            except (urllib3.exceptions.HTTPError, ssl.SSLError, OSError, ValueError) as error:
                cause: Exception = error
                problems.append(f"{self._endpoints[index]}: {answers.plain(error)}")
                continue
            self._preferred = index
            return response
        raise answers.unreachable(problems) from cause

    def _send(
        self, method: str, url: str, body: bytes | None, content: str, read_seconds: float
    ) -> urllib3.BaseHTTPResponse:
        if self._closed:
            raise ClusterUnreachable(_("The connection to the cluster is closed."))
        headers = {"Accept": "application/json, */*;q=0.5", "User-Agent": FIELD_MANAGER}
        if body is not None:
            headers["Content-Type"] = content or (_APPLY if method == "PATCH" else "application/json")
        self._api.update_params_for_auth(headers, [], ["BearerToken"])
        return self._pools.request(
            method,
            url,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, read_seconds), read=read_seconds),
        )

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float | None = None) -> bytes:
        endpoint = self._endpoints[self._preferred]
        return answers.read_all(response, MAX_ANSWER, deadline or time.monotonic() + self._timeout, endpoint)

    def _order(self) -> tuple[int, ...]:
        count = len(self._endpoints)
        return tuple((self._preferred + step) % count for step in range(count))

    def _remember(self, response: urllib3.BaseHTTPResponse) -> None:
        with self._guard:
            self._streams.add(response)

    def _forget(self, response: urllib3.BaseHTTPResponse) -> None:
        with self._guard:
            self._streams.discard(response)
