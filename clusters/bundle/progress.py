"""Tells how far each component is: one line per component with bar, percentage and time left.

`bar_line` and `time_left` are pure. `Progress` writes to a stream: redrawn lines on a terminal, else one plain
line when a component starts, at every quarter, and when it ends.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import TextIO

from clusters.bundle.preflight import duration_text

_WIDTH = 24


def time_left(*, elapsed: float, share: float, expected: float) -> float:
    """Seconds until the end: from the estimate at first, from the measured pace more and more."""
    share = min(max(share, 0.0), 1.0)
    by_estimate = max(expected - elapsed, 0.0)
    if share < 0.001:  # too little to tell a pace from
        return by_estimate
    by_pace = elapsed * (1 - share) / share
    return share * by_pace + (1 - share) * by_estimate


def bar_line(name: str, *, share: float, elapsed: float, expected: float) -> str:
    """One line: name, bar, percentage, time left."""
    share = min(max(share, 0.0), 1.0)
    full = int(share * _WIDTH)
    left = duration_text(time_left(elapsed=elapsed, share=share, expected=expected))
    return f"{name:<20} [{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}  {left} left"


@dataclass(slots=True)
class _Running:
    started: float
    expected: float
    share: float = 0.0
    told: int = 0


class Progress:
    """Safe to call from several threads."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}
        self._drawn = 0
        self._drawn_at = 0.0

    def start(self, name: str, expected: float) -> None:
        """A component is being made; `expected` in seconds."""
        with self._lock:
            self._running[name] = _Running(time.monotonic(), expected)
            if not self._terminal:
                self._say(f"{name}: started, about {duration_text(expected)}")
            self._draw(force=True)

    def advance(self, name: str, share: float) -> None:
        """`share` of the component is done, 0 to 1."""
        with self._lock:
            running = self._running[name]
            running.share = max(running.share, share)
            quarter = int(running.share * 4)
            if not self._terminal and running.told < quarter < 4:
                running.told = quarter
                self._say(self._line(name, running))
            self._draw()

    def done(self, name: str, *, reused: bool = False) -> None:
        """The component is in the store."""
        with self._lock:
            running = self._running.pop(name, None)
            took = f"made in {duration_text(time.monotonic() - running.started)}" if running else "ready"
            self._say(f"{name}: {'found in the store' if reused else took}")
            self._draw(force=True)

    def failed(self, name: str) -> None:
        """The component could not be made; the error itself is reported by whoever catches it."""
        with self._lock:
            self._running.pop(name, None)
            self._say(f"{name}: failed")
            self._draw(force=True)

    def say(self, text: str) -> None:
        """A line of its own."""
        with self._lock:
            self._say(text)
            self._draw(force=True)

    def _line(self, name: str, running: _Running) -> str:
        elapsed = time.monotonic() - running.started
        return bar_line(name, share=running.share, elapsed=elapsed, expected=running.expected)

    def _say(self, text: str) -> None:
        self._erase()
        self._stream.write(text + "\n")
        self._stream.flush()

    def _draw(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not self._terminal or (not force and now - self._drawn_at < 0.2):
            return
        self._erase()
        lines = [self._line(name, running) for name, running in self._running.items()]
        self._stream.write("".join(line + "\n" for line in lines))
        self._stream.flush()
        self._drawn, self._drawn_at = len(lines), now

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0
