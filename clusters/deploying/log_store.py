"""The store of log lines, as the shippers on nodes are told of it. Pure.

What is said here ends in a unit file and in a file that root alone reads, from which the service manager hands the
password to the shipper.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

# Both end in a unit file.
_URL = re.compile(r"https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*")
_USER = re.compile(r"[A-Za-z0-9._-]{0,64}")
# A shipper speaks every 30 s (clusters/bundle/modules/logs/lines.go); what it says takes a few seconds.
FRESH = timedelta(seconds=90)


@dataclass(frozen=True)
class LogStoreAddress:
    """`url` as nodes reach it, without user and path of the API: "http://10.0.0.5:9428". `authority`: who signed its
    certificate (PEM) when that is nobody the node trusts."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    authority: bytes = b""

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise ValueError(f"{self.url!r} is not the address of a log store")
        if not _USER.fullmatch(self.user) or "\n" in self.password:
            raise ValueError("the log store's user or password cannot be told to nodes")

    @property
    def inserting(self) -> str:
        """Where lines are sent."""
        return f"{self.url}/insert/native"


def silent(nodes: list[str], heard: dict[str, datetime], now: datetime) -> list[str]:
    """Nodes whose shipper has not been heard of lately, in their order."""
    return [node for node in nodes if node not in heard or now - heard[node] > FRESH]
