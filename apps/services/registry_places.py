"""Where the platform's registry listens and where nodes reach it: settings, and what was added while the portal runs.

A lab brings its network after the portal has started: `add_address` writes it into a file beside the storage, and the
registry's processes follow it.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.utils import timezone

from apps.services import registry_keys
from clusters.deploying.node_registries import NodeRegistry, is_loopback


def addresses() -> list[str]:
    """Every "host:port" it listens on; the portal itself uses the first. None: it is off."""
    if not settings.REGISTRY_ADDRESSES:
        return []
    return list(dict.fromkeys([*settings.REGISTRY_ADDRESSES, *_added()]))


def node_address() -> str:
    """Where nodes reach it; "" when they do not."""
    if settings.REGISTRY_NODE_ADDRESS:
        return str(settings.REGISTRY_NODE_ADDRESS)
    return next((each for each in addresses() if not is_loopback(each)), "")


def add_address(address: str) -> None:
    """Have it listen on one more "host:port", from now on and after a restart."""
    if address not in addresses():
        path = _file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text("\n".join([*_added(), address]) + "\n")


def for_nodes() -> list[NodeRegistry]:
    """What nodes of new clusters are told; nothing while they could not reach it."""
    address = node_address()
    if not address:
        return []
    authority = registry_keys.authority_certificate(timezone.now())
    return [NodeRegistry(settings.REGISTRY_HOST, address, authority)]


def _file() -> Path:
    return Path(settings.REGISTRY_HOME) / "addresses"


def _added() -> list[str]:
    try:
        return _file().read_text().split()
    except OSError:
        return []
