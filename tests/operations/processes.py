"""Real processes for tests: forked from the test, ended with SIGKILL or by os._exit, waited for by pid."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

from django.db import connections


def fork(work: Callable[[], None]) -> int:
    """Run `work` in a process of its own, with database connections of its own; answers its pid."""
    connections.close_all()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setpgid(0, 0)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def wait(pid: int) -> int:
    """How the process ended: its exit status, or minus the signal that killed it."""
    _pid, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def kill(pid: int) -> None:
    """SIGKILL and wait."""
    os.kill(pid, signal.SIGKILL)
    wait(pid)


def die() -> None:
    """This process ends here and now, as by the hand of the kernel."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def until(condition: Callable[[], object], patience: float = 30.0) -> object:
    """Wait for a condition; what it answered."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(0.01)
    raise AssertionError(f"waited {patience} s in vain for {condition}")
