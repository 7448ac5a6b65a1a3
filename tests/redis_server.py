"""A Redis server for tests: Debian's, on a free port of loopback, without a file, gone afterwards."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time

from redis import Redis, RedisError


def missing():
    """Why there is no server on this machine, or ""."""
    return (
        "" if shutil.which("redis-server") else "redis-server is not installed: apt-get install redis-server"
    )


class Server:
    """One port, and on it a server that can be killed, frozen and started again."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = Redis.from_url(self.url, socket_timeout=5)
        self._folder = tempfile.TemporaryDirectory(prefix="kcloud-redis-")
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""],
            cwd=self._folder.name,
            stdout=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"redis-server does not answer on port {self.port}")
            time.sleep(0.02)

    def _answers(self):
        try:
            return self.client.ping()
        except RedisError:
            return False

    def kill(self):
        """What it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self):
        """It takes connections, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def close(self):
        self.kill()
        self.client.close()
        self._folder.cleanup()
