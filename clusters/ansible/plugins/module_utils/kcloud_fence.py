"""One writer per host: a lock with the number of the operation that holds it.

A portal worker that lost its operation may have left a module running here. `take` waits for such a stray, ends it
when it does not finish, and refuses to begin when a newer operation has been here: a stray that starts late changes
nothing. Numbers are compared as (operation, fencing), and only between runs of the same owner (a portal's cluster):
another portal counts anew. The file lives under /run, so a reboot forgets it, and with it every stray.
"""

import fcntl
import json
import os
import signal
import time

DIRECTORY = "/run/kcloud"
PATIENCE = 20.0
_SIZE = 400


class Refused(Exception):
    """A newer operation was here already."""


def take(owner, operation, fencing, directory=DIRECTORY, patience=PATIENCE):
    """Hold the host until this process ends. The answer must be kept: closing the file frees the lock."""
    os.makedirs(directory, mode=0o700, exist_ok=True)
    # Not inherited by programs we start: a package manager left behind must not hold the host.
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    _acquire(lock, patience)
    number = [int(operation), int(fencing)]
    before = _read(lock)
    seen = before.get("number", [0, 0])
    if before.get("owner") == owner and number < seen:
        os.close(lock)
        raise Refused(
            "operation %d (attempt %d) works on this host, %d (attempt %d) is too late" % (*seen, *number)
        )
    text = json.dumps(
        {"owner": owner, "number": number, "pid": os.getpid(), "start": _start_time(os.getpid())}
    )
    os.pwrite(lock, text.encode().ljust(_SIZE), 0)
    return lock


def _acquire(lock, patience):
    until = time.monotonic() + patience
    killed = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until and not killed:
                killed = _end_stray(_read(lock))
            if time.monotonic() > until + 10:
                raise Refused("another run holds this host and does not end") from None
            time.sleep(0.05)


def _end_stray(holder):
    pid = holder.get("pid", 0)
    # The start time tells the stray from an innocent process that got its number.
    if pid > 1 and _start_time(pid) == holder.get("start"):
        os.kill(pid, signal.SIGKILL)
    return True


def _read(lock):
    try:
        return json.loads(os.pread(lock, _SIZE, 0))
    except ValueError:
        return {}


def _start_time(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[19]
    except OSError:
        return None
