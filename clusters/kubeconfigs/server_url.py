"""Whether a text is an API server's address as everybody writes it. Pure: looks at the text, resolves
nothing.

Where the address may lead is another question: kcloud_site.outbound.addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from clusters.errors import KubeconfigRefused
from kcloud_site.outbound.addresses import Address, embedded

Refuse = Callable[..., KubeconfigRefused]

_NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*\.?", re.ASCII)
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
_PATH = re.compile(r"(/[A-Za-z0-9._~:-]+)*/?", re.ASCII)
MAX_URL = 1024


def check_server(url: str, place: str, refuse: Refuse) -> None:
    """Raise what `refuse` makes unless the text is https://host[:port][/path], plainly written."""
    if len(url) > MAX_URL or any(not "!" <= letter <= "~" or letter in '\\"<>^`{|}' for letter in url):
        raise refuse("bad-url", place)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise refuse("bad-port" if "port" in str(error).lower() else "bad-url", place) from error
    _check_parts(url, parts, place, refuse)
    if port is not None and not 0 < port < 65536:
        raise refuse("bad-port", place)
    _check_host(host, place, refuse)


def literal_address(url: str) -> Address | None:
    """The IP address the URL names, or None when it names a machine by DNS name."""
    try:
        return ipaddress.ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None


def _check_parts(url: str, parts: SplitResult, place: str, refuse: Refuse) -> None:
    if parts.scheme != "https":
        raise refuse("not-https", place)
    if "@" in parts.netloc:
        raise refuse("userinfo", place)
    if "?" in url or "#" in url:
        raise refuse("query", place)
    if not _PATH.fullmatch(parts.path) or ".." in parts.path.split("/") or "." in parts.path.split("/"):
        raise refuse("bad-url", place)


def _check_host(host: str, place: str, refuse: Refuse) -> None:
    if ":" in host or "%" in host:
        _check_ipv6(host, place, refuse)
        return
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise refuse("bad-host", place)
    # What ends in a number is read as IPv4 by resolvers in every old notation: only the plain one is taken.
    if _NUMERIC.fullmatch(host.rstrip(".").rsplit(".", maxsplit=1)[-1]):
        try:
            plain = str(ipaddress.IPv4Address(host)) == host
        except ValueError:
            plain = False
        if not plain:
            raise refuse("odd-address", place)


def _check_ipv6(host: str, place: str, refuse: Refuse) -> None:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError as error:
        raise refuse("bad-host", place) from error
    if address.scope_id or embedded(address) != address:
        raise refuse("odd-address", place)
