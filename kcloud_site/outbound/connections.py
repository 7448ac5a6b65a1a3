"""Connections that go only where they may.

`secure_pool(rule)` and `plain_pool(rule)` are urllib3 pools (HTTPS, HTTP) whose connections resolve the name, judge
every answer by the rule and connect to an address that passed: between the check and the connect nothing is resolved
again. Raises AddressForbidden, and urllib3's own errors for what does not connect.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from kcloud_site.outbound.addresses import AddressRule, Network, refusal


class AddressForbidden(Exception):
    """An address the rule refuses: `host` as it was named, `address` it led to, `reason` a key of `refusal`."""

    def __init__(self, host: str, address: str, reason: str) -> None:
        super().__init__(f"{host} ({address}) is refused: {reason}")
        self.host, self.address, self.reason = host, address, reason


def secure_pool(rule: AddressRule) -> type[HTTPSConnectionPool]:
    """A pool class for HTTPS whose every connection obeys the rule."""

    class CheckedConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self, 443, rule)

    class CheckedPool(HTTPSConnectionPool):
        ConnectionCls = CheckedConnection

    return CheckedPool


def plain_pool(rule: AddressRule) -> type[HTTPConnectionPool]:
    """The same for HTTP."""

    class CheckedConnection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return connect(self, 80, rule)

    class CheckedPool(HTTPConnectionPool):
        ConnectionCls = CheckedConnection

    return CheckedPool


def allowed_addresses(host: str, port: int, rule: AddressRule) -> list[Any]:
    """The answers of one resolution, all of them allowed. One forbidden answer refuses the name: who mixes them means
    ill. Raises AddressForbidden, socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for _family, _kind, _proto, _name, place in found:
        reason = refusal(ipaddress.ip_address(str(place[0]).split("%")[0]), rule)
        if reason:
            raise AddressForbidden(host, str(place[0]), reason)
    return found


def own_networks() -> tuple[Network, ...]:
    """The networks this machine stands in, from the kernel's routing table (default routes left out)."""
    networks: list[Network] = []
    try:
        lines = Path("/proc/net/route").read_text().splitlines()[1:]
    except OSError:
        return ()
    for line in lines:
        destination, gateway, mask = (_from_kernel(line.split()[column]) for column in (1, 2, 7))
        if gateway.packed == bytes(4) and mask.packed != bytes(4):
            networks.append(ipaddress.ip_network(f"{destination}/{mask}", strict=False))
    return tuple(networks)


def connect(connection: HTTPConnection, usual_port: int, rule: AddressRule) -> socket.socket:
    """The socket of a urllib3 connection, to an address that passed."""
    host, port = connection.host.strip("[]"), connection.port or usual_port
    try:
        found = allowed_addresses(host, port, rule)
    except (socket.gaierror, UnicodeError) as error:
        failure = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
        raise NameResolutionError(host, connection, failure) from error
    last: OSError | None = None
    for family, kind, proto, _name, place in found:
        sock = socket.socket(family, kind, proto)
        try:
            sock.settimeout(connection.timeout if isinstance(connection.timeout, int | float) else None)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.connect(place)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    if isinstance(last, TimeoutError):
        raise ConnectTimeoutError(connection, f"no answer from {host} port {port}") from last
    raise NewConnectionError(connection, str(last)) from last


def _from_kernel(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(bytes.fromhex(text)[::-1])
