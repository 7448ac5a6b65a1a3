"""Runs one program with an end to everything: its time, its output, its children.

Contract: `run` starts the program in a process group of its own, without a shell, feeds it `stdin`, and
answers what it printed. ProcessTimedOut and OutputTooLarge are raised after the whole group has been killed.
Bytes in, bytes out: what a program says is hostile until somebody has looked at it.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_CHUNK = 65536


@dataclass(frozen=True)
class Finished:
    """How it ended: `status` is the exit status (negative: the signal that ended it)."""

    status: int
    stdout: bytes
    stderr: bytes


class ProcessTimedOut(Exception):
    """The program had not ended in time; it has been killed. Carries what it had said on stderr."""

    def __init__(self, stderr: bytes) -> None:
        super().__init__("the program did not end in time")
        self.stderr = stderr


class OutputTooLarge(Exception):
    """The program said more than it may; it has been killed."""


@dataclass
class _Conversation:
    """Feeds and reads one process until it closes its ends, the time is over or the limit is reached."""

    process: subprocess.Popen[bytes]
    pending: memoryview
    limit: int
    heard: dict[str, bytearray] = field(
        default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()}
    )

    def hold(self, deadline: float) -> None:
        with selectors.DefaultSelector() as selector:
            self._watch(selector)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ProcessTimedOut(bytes(self.heard["stderr"]))
                for key, _events in selector.select(left):
                    self._serve(selector, key)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        process = self.process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        for stream in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(stream.fileno(), False)
        selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
        selector.register(process.stdout, selectors.EVENT_READ, "stdout")
        selector.register(process.stderr, selectors.EVENT_READ, "stderr")

    def _serve(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data == "stdin":
            if self._feed(key.fd):
                return
        else:
            chunk = os.read(key.fd, _CHUNK)
            heard = self.heard[key.data]
            heard += chunk
            if len(heard) > self.limit:
                raise OutputTooLarge
            if chunk:
                return
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]  # a pipe of Popen, never a bare number

    def _feed(self, descriptor: int) -> bool:
        """Write some; answers whether there is more to write."""
        if self.pending:
            try:
                self.pending = self.pending[os.write(descriptor, self.pending[:_CHUNK]) :]
            except BrokenPipeError:
                return False
        return bool(self.pending)


def run(
    command: Sequence[str],
    *,
    stdin: bytes = b"",
    timeout: float,
    limit: int = 4 * 1024 * 1024,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run to the end. `environment` replaces ours.

    Raises ProcessTimedOut, OutputTooLarge, FileNotFoundError.
    """
    deadline = time.monotonic() + timeout
    with subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment) if environment is not None else None,
        start_new_session=True,
    ) as process:
        conversation = _Conversation(process, memoryview(stdin), limit)
        try:
            conversation.hold(deadline)
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise ProcessTimedOut(bytes(conversation.heard["stderr"])) from error
        finally:
            _kill_group(process)
    return Finished(
        process.returncode, bytes(conversation.heard["stdout"]), bytes(conversation.heard["stderr"])
    )


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and every child it left behind; the group outlives its leader."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
