"""Who this process is, in words another process can check. Reads /proc, nothing else.

An identity is "<machine>:<pid namespace>:<pid>:<start time>:<random>". `fate(identity)` answers "alive" or "dead" when
the process belongs to this machine and namespace, else "unknown": then only the end of its lease tells.
"""

import os
import secrets
import socket
from functools import lru_cache
from pathlib import Path
from typing import Literal

Fate = Literal["alive", "dead", "unknown"]


@lru_cache(maxsize=1)
def _place() -> str:
    """This machine and its process namespace: the same for all processes that can see each other."""
    boot = _read(Path("/proc/sys/kernel/random/boot_id"))[:8]
    try:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        namespace = "0"
    return f"{socket.gethostname()[:40].replace(':', '-')}-{boot}:{namespace}"


def identity() -> str:
    """A name for this process, unlike any other's, at most 120 characters."""
    pid = os.getpid()
    return f"{_place()}:{pid}:{start_time(pid) or 0}:{secrets.token_hex(4)}"


def fate(owner: str) -> Fate:
    """Whether the process that gave itself this identity lives. A zombie is dead."""
    parts = owner.rsplit(":", 3)
    if len(parts) != 4 or parts[0] != _place() or not (parts[1] + parts[2]).isdecimal():
        return "unknown"
    return "alive" if start_time(int(parts[1])) == int(parts[2]) else "dead"


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
