"""Programs a step starts, and how they are gone when the worker is.

Two nets. `command(argv)` puts a small launcher before the program: it runs it in a process group of its own and kills
the whole group the moment the worker dies. `environment(context)` marks the program and all it starts with the
portal's identity, the operation's number and fencing number, so that the next worker on this machine can find and kill
what is left (`end_survivors`) before the step runs again; another portal on this machine has other marks. Strays on
other machines are stopped by the lock on the host.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kcloud_site.operations.kinds import StepContext
from kcloud_site.operations.processes import start_time

PORTAL = "KCLOUD_PORTAL"
OPERATION = "KCLOUD_OPERATION"
FENCING = "KCLOUD_FENCING"
_LAUNCHER = str(Path(__file__).with_name("launcher.py"))
_log = logging.getLogger(__name__)


def command(argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` and dies with this process, together with all that `argv` starts."""
    return [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid()), *argv]


def environment(context: StepContext) -> dict[str, str]:
    """Variables to add to a child's environment, so that a later worker knows it."""
    return {
        PORTAL: context.portal,
        OPERATION: str(context.operation.pk),
        FENCING: str(context.fencing),
    }


def start(
    context: StepContext, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
) -> "subprocess.Popen[str]":
    """Start a program that dies with the worker. `options` are subprocess.Popen's; text mode. Call it from a thread
    that lives as long as the program."""
    marked = {**(os.environ if env is None else env), **environment(context)}
    return subprocess.Popen(command(argv), env=marked, text=True, **options)


def stop(child: "subprocess.Popen[str]", *, grace: float = 5.0) -> int:
    """End the program and all it started: asked first, killed after `grace` seconds. Answers its exit status."""
    if child.poll() is None:
        child.terminate()
        try:
            return child.wait(grace)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGUSR2)  # the launcher kills the group, then ends
    return child.wait()


def end_survivors(operation_id: int, *, portal: str, before: int, patience: float = 5.0) -> int:
    """Kill what an earlier worker on this machine has left running for the operation, and wait until it is gone.

    Only processes marked with this portal and operation and a fencing number lower than `before`. Answers how many
    there were. `portal` is `portal.identity()`; an empty one is a programming error (ValueError).
    """
    if not portal:
        raise ValueError("a portal without identity has no processes of its own")
    ended: set[int] = set()
    until = time.monotonic() + patience
    while left := list(_survivors(portal, operation_id, before)):
        for pid in left:
            ended.add(pid)
            _kill(pid)
        if time.monotonic() > until:
            _log.error("op-%s: processes %s do not end", operation_id, left)
            break
        time.sleep(0.01)
    return len(ended)


def _survivors(portal: str, operation_id: int, before: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        marks = _marks(entry / "environ")
        if (marks.get(PORTAL), marks.get(OPERATION)) != (portal, str(operation_id)):
            continue
        fencing = marks.get(FENCING, "")
        if not fencing.isdecimal() or int(fencing) >= before:
            continue
        if start_time(int(entry.name)) is not None:
            yield int(entry.name)


def _marks(path: Path) -> dict[str, str]:
    try:
        pairs = path.read_bytes().split(b"\0")
    except OSError:  # gone, or not ours to look into
        return {}
    found = (pair.decode(errors="replace").partition("=") for pair in pairs if pair.startswith(b"KCLOUD_"))
    return {name: value for name, _equals, value in found}


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
