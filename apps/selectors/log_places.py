"""Where the store of log lines is: for the portal, and for the shippers on nodes.

Either somebody else's (KCLOUD_LOGS_URL), or the portal's own, which asks for a password made once and kept beside its
data. A lab brings its network after the portal has started: its address is added in a file beside it.
"""

from __future__ import annotations

import os
import secrets
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.adapters import victorialogs
from apps.errors import LogStoreUnreachable
from clusters.deploying.log_store import LogStoreAddress
from clusters.deploying.node_registries import is_loopback

USER = "kcloud"


def addresses() -> list[str]:
    """Every "host:port" the portal's own store listens on; the portal uses the first. None: there is no own store."""
    if not settings.LOGS_ADDRESSES or settings.LOGS_URL:
        return []
    return list(dict.fromkeys([*settings.LOGS_ADDRESSES, *added()]))


def portal_url() -> str:
    """Where the portal reads, with user and password; "" without a store."""
    if settings.LOGS_URL:
        return str(settings.LOGS_URL)
    found = addresses()
    return own_url(found[0], Path(settings.LOGS_HOME)) if found else ""


def for_nodes() -> LogStoreAddress | None:
    """What shippers are told; None while there is no store, or none that nodes reach."""
    parts = urlsplit(portal_url())
    url = str(settings.LOGS_NODE_URL).rstrip("/")
    if parts.hostname and not url:
        own = next((each for each in addresses() if not is_loopback(each)), "")
        host = own if addresses() else parts.netloc.rpartition("@")[2]
        url = (
            f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
            if host and not is_loopback(_with_port(host))
            else ""
        )
    if not parts.hostname or not url:
        return None
    return LogStoreAddress(url, unquote(parts.username or ""), unquote(parts.password or ""))


def heard(cluster: str) -> dict[str, datetime] | None:
    """When each node's shipper was last heard of; None when the store does not answer."""
    url = portal_url()
    try:
        return victorialogs.shippers(url, cluster) if url else None
    except LogStoreUnreachable:
        return None


def password_file(home: Path) -> Path:
    """Where the own store's password lies; made when it is not there yet."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, draft = home / "password", home / f".password-{secrets.token_hex(4)}"
    if path.exists():
        return path
    # Whole or not at all, since several processes may want it first.
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path


def own_url(address: str, home: Path) -> str:
    """The own store at one of its addresses."""
    return f"http://{USER}:{password_file(home).read_text()}@{address}"


def added_file() -> Path:
    """Addresses that came while the portal ran."""
    return Path(settings.LOGS_HOME) / "addresses"


def added() -> list[str]:
    try:
        return added_file().read_text().split()
    except OSError:
        return []


def _with_port(host: str) -> str:
    return host if ":" in host else f"{host}:80"
