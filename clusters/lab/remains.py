"""What an engine leaves on a machine when it ends, orderly or not: processes, mounts, control groups.

Contract: every function is harmless when there is nothing; processes are found by a path of ours on their
command line and ended by number, never by name alone. No errors but those of /proc being absent.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
STOP_SECONDS = 60.0
KILL_SECONDS = 10.0


def alive(pid: int) -> bool:
    """Whether a process runs; a dead child of ours nobody asked about does not count."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def end(pid: int) -> None:
    """Ask a process to end, then make it."""
    for sign, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + seconds
        while alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not alive(pid):
            return


def named(folder: Path, pid: int) -> bool:
    """Whether a process has a path below ``folder`` on its command line: numbers are given again."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return f"{folder}/" in command


def end_all(folder: Path) -> None:
    """End what an engine that died left running: each shim with its child, the first process of a host.

    A host's first process takes all others of the host with it.
    """
    left = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    for pid in [one for one in left if one != os.getpid() and named(folder, one)]:
        for one in [*_children(pid), pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
            end(one)


def _children(pid: int) -> list[int]:
    try:
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def unmount_below(folder: Path) -> None:
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(folder):
            subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)


def remove_groups(name: str) -> None:
    """A control group that containers were in, and what pods made below it, in every tree."""
    for group in [CGROUPS / name, *CGROUPS.glob(f"*/{name}")]:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
