"""VictoriaLogs of the release bundle, run beside the portal: where it listens, who may read, how long it keeps.

It asks everybody for a name and a password; a node that may write its lines cannot be told from one that may read
them, so the address it listens at is loopback or one that only nodes reach.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

from apps.selectors import log_places

PROGRAM = "victoria-logs"
LARGEST_LOG = 10_000_000
SHORTEST_PAUSE, LONGEST_PAUSE, LOOK_SECONDS = 0.2, 30.0, 0.5
_ANYWHERE = frozenset({"", "0.0.0.0", "[::]", "::"})  # noqa: S104 # refused, not used


def find_program() -> Path | None:
    """The program: what KCLOUD_LOGS_PROGRAM names, else the one of the newest bundle that has it."""
    named = os.environ.get("KCLOUD_LOGS_PROGRAM", "")
    if named:
        return Path(named)
    found = [path for path in Path(settings.BUNDLES_DIR).glob(f"*/bin/{PROGRAM}") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def command(program: Path, addresses: Sequence[str], home: Path, keep: str) -> list[str]:
    """What to run. Raises ValueError for an address everybody reaches."""
    for address in addresses:
        host, _colon, port = address.rpartition(":")
        if host in _ANYWHERE or not port.isdigit():
            raise ValueError(
                f"{address}: give one address of this machine and a port, such as 127.0.0.1:9428"
            )
    return [
        str(program),
        *(f"-httpListenAddr={address}" for address in addresses),
        f"-storageDataPath={home / 'data'}",
        f"-httpAuth.username={log_places.USER}",
        f"-httpAuth.password=file://{log_places.password_file(home)}",
        f"-retentionPeriod={keep}",
        "-retention.maxDiskUsagePercent=80",
        "-loggerLevel=WARN",
    ]


def add_address(address: str) -> None:
    """Have the own store listen on one more "host:port", from now on and after a restart."""
    if address not in log_places.added():
        path = log_places.added_file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(".addresses.new")
        draft.write_text("\n".join([*log_places.added(), address]) + "\n")
        draft.replace(path)


def present(addresses: Sequence[str]) -> list[str]:
    """Those this machine has now: a lab's network may be away, and the store must run all the same."""
    return [address for address in addresses if _is_ours(address.rpartition(":")[0])]


@dataclass
class Supervisor:
    """Keeps the store running at the addresses that are there; `say` hears what a person should know."""

    say: Callable[[str], None] = lambda text: None
    stop: threading.Event = field(default_factory=threading.Event)
    _running: subprocess.Popen[bytes] | None = None
    _at: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Until `stop` is set. A process that ends is started again, at growing distance; other addresses are another
        process, since it keeps the data to itself."""
        said, pause = "", SHORTEST_PAUSE
        try:
            while not self.stop.is_set():
                wanted = present(log_places.addresses())
                problem = self._why_not(wanted)
                if problem and problem != said:
                    self.say(problem)
                said = problem
                if wanted != self._at:
                    self._end()
                started = not problem and self._start(wanted)
                pause = min(LONGEST_PAUSE, pause * 2) if started else max(SHORTEST_PAUSE, pause / 2)
                self.stop.wait(pause if started else LOOK_SECONDS)
        finally:
            self._end()

    def _why_not(self, wanted: list[str]) -> str:
        if not log_places.addresses():
            return "The portal keeps no log lines of its own (KCLOUD_LOGS_ADDRESS)."
        if not wanted:
            return f"This machine has none of {', '.join(log_places.addresses())}."
        if find_program() is None:
            return f"No bundle has the program {PROGRAM}. Build one: manage.py bundle build"
        try:
            command(Path(PROGRAM), wanted, Path(settings.LOGS_HOME), settings.LOGS_KEEP)
        except ValueError as error:
            return str(error)
        return ""

    def _start(self, wanted: list[str]) -> bool:
        if self._running is not None and self._running.poll() is None:
            return False
        self.say(f"The log store starts on {', '.join(wanted)}.")
        self._running, self._at = start(wanted), wanted
        return True

    def _end(self) -> None:
        if self._running is None:
            return
        self._running.terminate()
        try:
            self._running.wait(timeout=8)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._running, self._at = None, []


def start(addresses: Sequence[str]) -> subprocess.Popen[bytes]:
    """The program at these addresses; what it says goes into a file beside its data."""
    program, home = find_program(), Path(settings.LOGS_HOME)
    assert program is not None
    argv = command(program, addresses, home, settings.LOGS_KEEP)
    log = home / "store.log"
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(home / "store.log.1")
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            # Nothing of the portal's own secrets.
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
        )


def _is_ours(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind((host.strip("[]"), 0))
        except OSError:
            return False
    return True
