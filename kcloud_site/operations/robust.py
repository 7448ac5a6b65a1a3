"""A lock between processes that the kernel opens when its holder dies.

multiprocessing's own locks are semaphores: a worker killed while it waits for its next wake-up holds one for ever,
and no worker of that pool would get a wake-up again. This one is flock(2) on a file without a name.
"""

import fcntl
import os
from types import TracebackType


class Lock:
    """Use as multiprocessing.Lock: acquire, release, `with`. One thread of a process holds it at a time."""

    def __init__(self) -> None:
        self._shared = os.memfd_create("kcloud-lock")
        self._own = -1
        self._pid = 0

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:
        """Take it. Non-blocking answers whether it was free; a timeout counts as non-blocking."""
        how = fcntl.LOCK_EX if block and timeout is None else fcntl.LOCK_EX | fcntl.LOCK_NB
        try:
            fcntl.flock(self._file(), how)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        fcntl.flock(self._file(), fcntl.LOCK_UN)

    def _file(self) -> int:
        """This process's own opening: flock belongs to the opening, and a forked child shares its parent's."""
        if self._pid != os.getpid():
            self._own, self._pid = (
                os.open(f"/proc/self/fd/{self._shared}", os.O_RDWR | os.O_CLOEXEC),
                os.getpid(),
            )
        return self._own

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
