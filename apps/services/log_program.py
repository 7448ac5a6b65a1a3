"""VictoriaLogs of the release bundle, run beside the portal: where it listens, who may read, how long it keeps.

It asks everybody for a name and a password, made once and kept in KCLOUD_HOME/logs; so a node that may write its lines
cannot be told from one that may read them, and the address it listens at is loopback or one that only nodes reach.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings

PROGRAM, USER = "victoria-logs", "kcloud"
_ANYWHERE = frozenset({"", "0.0.0.0", "[::]", "::"})  # noqa: S104 # refused, not used


def find_program() -> Path | None:
    """The program: what KCLOUD_LOGS_PROGRAM names, else the one of the newest bundle that has it."""
    named = os.environ.get("KCLOUD_LOGS_PROGRAM", "")
    if named:
        return Path(named)
    found = [path for path in Path(settings.BUNDLES_DIR).glob(f"*/bin/{PROGRAM}") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def password_file(home: Path) -> Path:
    """Where the password lies; made when it is not there yet."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = home / "password"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))
    return path


def command(program: Path, address: str, home: Path, keep: str) -> list[str]:
    """What to run. Raises ValueError for an address everybody reaches."""
    host, _colon, port = address.rpartition(":")
    if host in _ANYWHERE or not port.isdigit():
        raise ValueError(f"{address}: give one address of this machine and a port, such as 127.0.0.1:9428")
    return [
        str(program),
        f"-httpListenAddr={address}",
        f"-storageDataPath={home / 'data'}",
        f"-httpAuth.username={USER}",
        f"-httpAuth.password=file://{password_file(home)}",
        f"-retentionPeriod={keep}",
        "-retention.maxDiskUsagePercent=80",
        "-loggerLevel=WARN",
    ]


def url_of(address: str, home: Path) -> str:
    """What KCLOUD_LOGS_URL would be for it."""
    return f"http://{USER}:{password_file(home).read_text()}@{address}"
