"""Image registries of the platform, as the container runtime of a node is told of them. Pure.

A registry is asked at an address instead of by the name images carry, so that no node needs to resolve it, and trusted
by its own authority alone.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

# The runtime's configuration names this folder (roles/runtime).
FOLDER = "/etc/containerd/certs.d"
_PLACE = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?")


@dataclass(frozen=True)
class NodeRegistry:
    """`host` is how images name it, `address` where nodes reach it ("10.0.0.5:5000"), `authority` a certificate."""

    host: str
    address: str
    authority: bytes

    def __post_init__(self) -> None:
        for text in (self.host, self.address):
            if not _PLACE.fullmatch(text):
                raise ValueError(f"{text!r} is not a host with a port")


def files(registry: NodeRegistry) -> list[dict[str, Any]]:
    """What lies on every node that pulls from it."""
    folder = f"{FOLDER}/{registry.host}"
    authority = f"{folder}/ca.crt"
    # containerd 1.6 takes no file without a table of hosts, although the server alone would do.
    lines = [
        f'server = "https://{registry.address}"',
        f'[host."https://{registry.address}"]',
        'capabilities = ["pull", "resolve"]',
        f'ca = "{authority}"',
    ]
    return [
        {"path": authority, "content": registry.authority.decode(), "mode": "0644"},
        {"path": f"{folder}/hosts.toml", "content": "\n".join(lines) + "\n", "mode": "0644"},
    ]


def is_loopback(address: str) -> bool:
    """Whether only the machine itself reaches "host:port"."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
