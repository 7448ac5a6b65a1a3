"""Connections that go only where they may, with TLS that trusts only whom it should.

`checked_pool(rule)` is a urllib3 pool whose connections obey the rule (kcloud_site.outbound.connections).
`tls_context` trusts the cluster's own authority alone; key and certificate pass through anonymous memory,
never through a file system. Raises AddressRefused, and urllib3's own errors for what does not connect.
"""

from __future__ import annotations

import os
import socket
import ssl

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool

from clusters.errors import AddressRefused, ClusterUnreachable
from kcloud_site.outbound import connections
from kcloud_site.outbound.addresses import AddressRule

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
            try:
                return connections.connect(self, 443, rule)
            except connections.AddressForbidden as error:
                raise _refused(error) from error

    class CheckedPool(HTTPSConnectionPool):
        ConnectionCls = CheckedConnection

    return CheckedPool


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


def _refused(error: connections.AddressForbidden) -> AddressRefused:
    shown = error.host if error.host == error.address else f"{error.host} ({error.address})"
    return AddressRefused(
        _("The address %(address)s is refused.") % {"address": shown},
        str(REASONS[error.reason]),
        _("Use an address other machines reach, or allow internal addresses for this cluster."),
    )
