"""Runs the tools of a build (go, apt) so that none outlives it.

Each tool gets a process group of its own; `stop()` ends all groups, and an exception in the middle of a run ends its
own. Raises ComponentFailed with the end of the output when a tool answers other than 0.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from clusters.bundle.errors import BuildStopped, ComponentFailed

_TAIL = 12


class Processes:
    """The tools running now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(
        self,
        component: str,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        remedy: str = "See the message of the tool above; then run the build again: it continues where it stopped.",
    ) -> str:
        """Run one tool at low priority and answer its standard output; `on_line` hears its standard error."""
        gentle = ["nice", "-n", "10"] if shutil.which("nice") else []
        tail: deque[str] = deque(maxlen=_TAIL)

        def hear(line: str) -> None:
            tail.append(line)
            if on_line:
                on_line(line)

        process = self._start(component, [*gentle, *argv], cwd, environment)
        try:
            output = _listen(process, hear)
        except BaseException:
            _end(process)
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        if process.returncode != 0:
            self.refuse_if_stopped(component)
            said = "\n".join(tail) or f"{argv[0]} ended with {process.returncode}"
            raise ComponentFailed(component, f"{' '.join(argv[:2])} failed.\n{said}", remedy)
        return output

    def refuse_if_stopped(self, component: str) -> None:
        """Raise BuildStopped after `stop()`: what a stopped tool says is not the reason of the failure."""
        with self._lock:
            if self._stopped:
                raise BuildStopped(component)

    def stop(self) -> None:
        """End every tool and let no new one start."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end(process)

    def _start(
        self, component: str, argv: Sequence[str], cwd: Path, environment: Mapping[str, str] | None
    ) -> subprocess.Popen[str]:
        with self._lock:
            if self._stopped:
                raise BuildStopped(component)
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=dict(environment) if environment is not None else None,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
            return process


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _listen(process: subprocess.Popen[str], hear: Callable[[str], None]) -> str:
    """Standard output whole, standard error line by line: two threads, since either pipe can fill up."""
    output: list[str] = []
    with process:
        assert process.stdout
        assert process.stderr
        drain = threading.Thread(target=_read_into, args=(process.stdout, output), daemon=True)
        drain.start()
        for line in process.stderr:
            hear(line.rstrip())
        drain.join()
    return "".join(output)


def _read_into(stream: TextIO, output: list[str]) -> None:
    output.append(stream.read())
