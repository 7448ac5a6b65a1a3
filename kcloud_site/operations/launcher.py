"""Run a program in its own process group and kill the group when the worker that asked for it dies.

    python -I -S launcher.py <pid of the worker> <program> [argument …]

A file to be executed, not imported: it starts in some 10 ms because it needs nothing but the standard library.
SIGTERM and SIGINT are passed on to the group, SIGUSR2 kills it; the exit status is the program's. Killing reaches what
left the group as well (Ansible's workers open sessions of their own): orphans become children of this process.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_WORKER_DIED = signal.SIGUSR1
_KILL = signal.SIGUSR2
_SIGNALS = (_WORKER_DIED, _KILL, signal.SIGTERM, signal.SIGINT)
_libc = ctypes.CDLL(None)


class Launcher:
    """One program on behalf of one worker."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._group = 0

    def run(self, argv: list[str]) -> int:
        """Exit status of the program, 128 + signal when a signal ended it, 127 when it cannot be started."""
        # Signals wait until the group is known: else a worker that dies just now would leave the program behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        for number in _SIGNALS:
            signal.signal(number, self._end)
        _libc.prctl(_PR_SET_PDEATHSIG, _WORKER_DIED)
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
        if os.getppid() != self._worker:
            return 137
        try:
            program = subprocess.Popen(argv, process_group=0, preexec_fn=_prepare)
        except OSError as error:
            print(f"{argv[0]}: {error.strerror}", file=sys.stderr)
            return 127
        self._group = program.pid
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        status = program.wait()
        self._signal(signal.SIGKILL)  # nothing it started outlives it
        return status if status >= 0 else 128 - status

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._signal(number)
        elif number == _KILL:
            self._kill_all()
        elif os.getppid() != self._worker:  # else only the thread that started us has ended
            self._kill_all()
            os._exit(137)

    def _kill_all(self) -> None:
        """The group, then every descendant wherever it went, until none is left.

        /proc is read entry by entry while processes die and change parents, so one empty look proves nothing: the
        second finds an orphan where it has arrived, below this process.
        """
        self._signal(signal.SIGKILL)
        until, empty = time.monotonic() + 5, 0
        while empty < 2 and time.monotonic() < until:
            left = _descendants(os.getpid())
            empty = 0 if left else empty + 1
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._group, number)


def _descendants(root: int) -> list[int]:
    """Living processes below `root`. A dead one not yet waited for still links its children to `root`: they may have
    been read a moment before they were handed on."""
    read = _processes()
    found = {root}
    while more := {pid for pid, (parent, _dead) in read.items() if parent in found} - found:
        found |= more
    return sorted(pid for pid in found - {root} if not read[pid][1])


def _processes() -> dict[int, tuple[int, bool]]:
    """Of each process: its parent, and whether it is dead. Read entry by entry, so never one moment's picture."""
    read = {}
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        read[int(name)] = (int(fields[1]), fields[0] in "ZX")
    return read


def _prepare() -> None:
    """In the program's process, before it starts."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


if __name__ == "__main__":
    sys.exit(Launcher(int(sys.argv[1])).run(sys.argv[2:]))
