"""Failing on purpose. Several faults are written side by side: `slow=0.5,log-errors`.

crash-at-start      ends with code 3 before it listens
crash-after=N       ends with code 4 after N seconds
not-ready           /readyz answers 500
not-live            /healthz answers 500
slow=N              every answer takes N seconds more
leak=N              takes N MiB more memory every second
log-errors          an error line with every request
wrong-port=N        listens on port N
wrong-api=HOST      web asks that host for its API
ignore-sigterm      goes on when told to stop
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

Write = Callable[..., None]
_leaked: list[bytearray] = []


class Faults:
    """The faults switched on at the moment."""

    def __init__(self, text: str) -> None:
        self._configured = text
        self.become(text)

    def become(self, text: str) -> None:
        """Switch to exactly these."""
        self.text = text
        parts = [part.strip().partition("=") for part in text.split(",") if part.strip()]
        self._values = {name: value for name, _equals, value in parts}

    def follow(self, configured: str) -> bool:
        """Switch when the configuration changed; answers whether it did."""
        if configured == self._configured:
            return False
        self._configured = configured
        self.become(configured)
        return True

    def has(self, name: str) -> bool:
        """Whether this fault is on."""
        return name in self._values

    def value(self, name: str) -> str:
        """What stands behind the fault's equals sign."""
        return self._values.get(name, "")

    def slow_down(self) -> None:
        """Take as long as `slow` says."""
        if self.has("slow"):
            time.sleep(float(self.value("slow") or 1))


def act(faults: Faults, write: Write) -> None:
    """Begin those faults that go on by themselves."""
    for name, what in (("crash-after", _crash), ("leak", _leak)):
        if faults.has(name):
            threading.Thread(target=what, args=(faults, write), daemon=True).start()


def _crash(faults: Faults, write: Write) -> None:
    time.sleep(float(faults.value("crash-after") or 1))
    if faults.has("crash-after"):
        write("error", "ends after its time: SHOP_FAULT says so")
        os._exit(4)


def _leak(faults: Faults, write: Write) -> None:
    step = int(faults.value("leak") or 8)
    write("warning", "takes more memory every second", mebibytes=step)
    while faults.has("leak"):
        taken = bytearray(step * 1024 * 1024)
        # Touched, or the kernel would not count it.
        taken[::4096] = b"x" * len(taken[::4096])
        _leaked.append(taken)
        time.sleep(1)
    _leaked.clear()
