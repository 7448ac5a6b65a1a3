"""Connections that go only where they may, with TLS that trusts only whom it should.

`checked_pool(rule)` is a urllib3 pool whose connections resolve the name, judge every answer by the rule
and connect to an address that passed: between the check and the connect nothing is resolved again.
`tls_context` trusts the cluster's own authority alone; key and certificate pass through anonymous memory,
never through a file system. Raises AddressRefused, and urllib3's own errors for what does not connect.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from clusters.errors import AddressRefused, ClusterUnreachable
from clusters.kubeconfigs.addresses import AddressRule, Network, refusal

REASONS = {
    "metadata": gettext_lazy("It is a cloud metadata service, which hands out credentials."),
    "unusable": gettext_lazy("It is not an address of one machine."),
    "loopback": gettext_lazy("It is the portal's own machine (loopback)."),
    "link-local": gettext_lazy("It is a link-local address, which means another machine on every network."),
    "own-network": gettext_lazy("It lies in a network the portal itself stands in."),
}


def checked_pool(rule: AddressRule) -> type[HTTPSConnectionPool]:
    """A pool class whose every connection obeys the rule."""

    class CheckedConnection(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, rule)

    class CheckedPool(HTTPSConnectionPool):
        ConnectionCls = CheckedConnection

    return CheckedPool


def allowed_addresses(host: str, port: int, rule: AddressRule) -> list[Any]:
    """The answers of one resolution, all of them allowed. One forbidden answer refuses the name: who
    mixes them means ill. Raises AddressRefused, socket.gaierror."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for _family, _kind, _proto, _name, place in found:
        reason = refusal(ipaddress.ip_address(str(place[0]).split("%")[0]), rule)
        if reason:
            raise _refused(host, str(place[0]), reason)
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


def tls_context(authority: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A client context: the cluster's authority only, host names checked, TLS 1.2 at least.
    Raises ClusterUnreachable when certificate and key do not load."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority.decode("ascii"))
        if certificate:
            _load_pair(context, certificate, key)
    except (ssl.SSLError, ValueError) as error:
        raise ClusterUnreachable(
            _("The cluster's certificates do not load."),
            str(error),
            _("Import the cluster again with a complete kubeconfig, or deploy it again."),
        ) from error
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads the pair by path only: give it one that leads into anonymous memory, gone when closed."""
    descriptor = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, certificate.rstrip() + b"\n" + key.rstrip() + b"\n")
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _connect(connection: HTTPSConnection, rule: AddressRule) -> socket.socket:
    host, port = connection.host.strip("[]"), connection.port or 443
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


def _refused(host: str, address: str, reason: str) -> AddressRefused:
    shown = host if host == address else f"{host} ({address})"
    return AddressRefused(
        _("The address %(address)s is refused.") % {"address": shown},
        str(REASONS[reason]),
        _("Use an address other machines reach, or allow internal addresses for this cluster."),
    )


def _from_kernel(text: str) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(bytes.fromhex(text)[::-1])
