"""What the other side is: browsers in a few words, addresses where passkeys work, issuers to believe. Pure."""

import ipaddress
from urllib.parse import urlsplit

# In this order: most browsers also claim to be the ones further down.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def describe(user_agent: str) -> str:
    """ "Firefox, Linux"."""
    found = (
        next((name for mark, name in table if mark in user_agent), "") for table in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(name for name in found if name)


def passkeys_work(host: str, *, is_secure: bool) -> bool:
    """Whether browsers offer passkeys at this address: they want a name, and TLS unless it is localhost.

    `host` is a Host header, with or without a port.
    """
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return is_secure
    return False


def issuer_is_safe(address: str) -> bool:
    """Whether answers from this address are surely the issuer's: https, or http on this very machine."""
    parts = urlsplit(address)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
