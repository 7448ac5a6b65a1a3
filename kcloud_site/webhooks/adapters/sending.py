"""Sends one message over HTTP to an address somebody else named.

The name is resolved once, every answer judged, and the connection goes to an address that passed
(kcloud_site.outbound). No redirects, no proxies from the environment, 5 s to connect, 10 s in all, and at most
4 KiB of the answer are read. Raises NotDelivered with the reason; an HTTP status, also a bad one, is an answer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from kcloud_site.outbound import connections
from kcloud_site.outbound.addresses import AddressRule
from kcloud_site.webhooks.errors import NotDelivered

CONNECT = 5.0
WHOLE = 10.0
MOST_READ = 4096


@dataclass(frozen=True)
class Answer:
    """HTTP status, the body's beginning, and how long it took."""

    status: int
    body: bytes
    milliseconds: int


def post(url: str, body: bytes, headers: Mapping[str, str], rule: AddressRule) -> Answer:
    """One attempt."""
    began = time.monotonic()
    parts = urllib3.util.parse_url(url)
    secure = parts.scheme == "https"
    pool_class = connections.secure_pool(rule) if secure else connections.plain_pool(rule)
    port = parts.port or (443 if secure else 80)
    timeout = urllib3.Timeout(connect=CONNECT, read=WHOLE)
    with pool_class(str(parts.host), port, maxsize=1, retries=False, timeout=timeout) as pool:
        try:
            status, read = _exchange(pool, parts.request_uri, body, headers)
        except connections.AddressForbidden as error:
            raise NotDelivered(str(error)) from error
        except (HTTPError, OSError, ValueError) as error:
            raise NotDelivered(f"{type(error).__name__}: {error}"[:300]) from error
    return Answer(status, read, round((time.monotonic() - began) * 1000))


def _exchange(pool: Any, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """A receiver that answers byte by byte is cut off when the time is over."""
    connection = pool._get_conn()
    stop = threading.Timer(WHOLE, _cut, [connection])
    stop.daemon = True
    stop.start()
    try:
        connection.timeout = CONNECT
        connection.connect()
        connection.sock.settimeout(WHOLE)
        connection.request("POST", path, body=body, headers=dict(headers), preload_content=False)
        response = connection.getresponse()
        return response.status, response.read(MOST_READ, decode_content=False)
    finally:
        stop.cancel()
        connection.close()


def _cut(connection: Any) -> None:
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(2)
        except OSError:
            return
