"""The portal's processes under honcho, as one group that can be found again by its pid file.

Raises PortalDown when the portal does not answer: with the end of its log. Only processes recorded in our own pid
file, and still the very process that was recorded (same start time), are ever signalled.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

LOGS_ADDRESS = "127.0.0.1:9428"
ROOT = Path(__file__).resolve().parent.parent.parent


class PortalDown(Exception):
    """The portal does not answer, or cannot start. The text says why and what to do."""


class Portal:
    """All processes of the Procfile, their state below `home`, answering on `bind` ("127.0.0.1:8000")."""

    def __init__(self, home: Path, bind: str) -> None:
        self.home, self.bind, self.url = home, bind, f"http://{bind}"
        self._pid_file, self.log = home / "portal.pid", home / "portal.log"

    def start(self) -> bool:
        """Start unless running; answers whether it was started now."""
        if self.running():
            return False
        host, _, port = self.bind.rpartition(":")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, int(port)))
            except OSError as error:
                raise PortalDown(
                    f"Something else listens on {self.bind}. Stop it, or choose another address: "
                    "KCLOUD_BIND=127.0.0.1:8001 make demo"
                ) from error
        environment = {
            **os.environ,
            "KCLOUD_HOME": str(self.home),
            "KCLOUD_BIND": self.bind,
            # The demo keeps what its pods write: about 30 MB of memory.
            "KCLOUD_LOGS_ADDRESS": os.environ.get("KCLOUD_LOGS_ADDRESS", LOGS_ADDRESS),
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / "honcho"), "--no-colour", "start"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._pid_file.write_text(f"{process.pid} {_started(process.pid)}")
        return True

    def wait_until_answering(
        self, *, seconds: float = 60, say: Callable[[str], None] = lambda text: None
    ) -> None:
        """Return when the sign-in page answers. Raises PortalDown with the log's end."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"{self.url}/sign-in/", timeout=5) as answer:  # noqa: S310 # our own loopback address
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, OSError):
                if not self.running():
                    break
            say("waiting for the first answer")
            time.sleep(0.2)
        raise PortalDown(f"The portal does not answer on {self.url}. The end of {self.log}:\n{self._tail()}")

    def running(self) -> bool:
        return self._pid() is not None

    def wait(self) -> None:
        """Block until the portal ends."""
        while self.running():
            time.sleep(0.5)

    def stop(self) -> bool:
        """End all processes of the group; answers whether there were any."""
        pid = self._pid()
        if pid is None:
            self._pid_file.unlink(missing_ok=True)
            return False
        for sign, seconds in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
            try:
                os.killpg(pid, sign) if sign == signal.SIGKILL else os.kill(pid, sign)
            except ProcessLookupError:
                break
            end = time.monotonic() + seconds
            while time.monotonic() < end and self.running():
                time.sleep(0.1)
            if not self.running():
                break
        self._pid_file.unlink(missing_ok=True)
        return True

    def _pid(self) -> int | None:
        try:
            pid, started = self._pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _started(int(pid)) == started else None

    def _tail(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-25:])
        except OSError:
            return ""


def _started(pid: int) -> str:
    """The kernel's start time of a process, so that a pid used again is not taken for ours; "" when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
