"""Debian's own sshd on a free port of loopback, with keys of its own: a host that is as good or as bad as a test wants.

`answering(output, status)` makes it say that to every command instead of running it: a node that lies.
"""

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clusters.adapters.ssh import SshTarget

SSHD = "/usr/sbin/sshd"


def missing():
    """Why there can be no sshd here, or ""."""
    if not Path(SSHD).exists():
        return "no sshd: apt-get install --no-install-recommends openssh-server"
    return "" if os.getuid() == 0 else "sshd for root needs root"


@dataclass
class LoopbackSshd:
    folder: Path
    port: int
    address: str = "127.0.0.1"
    username: str = "root"
    process: subprocess.Popen | None = None

    @property
    def private_key(self):
        return (self.folder / "client").read_text()

    @property
    def host_key(self):
        return " ".join((self.folder / "host.pub").read_text().split()[:2])

    def target(self, **other):
        known = {"private_key": self.private_key, "host_key": self.host_key, "username": self.username}
        return SshTarget(**{"address": self.address, "port": self.port, **known, **other})

    def start(self):
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress {self.address}\nHostKey {self.folder}/host\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n"
        )
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(config)], stderr=log, stdin=subprocess.DEVNULL
        )
        self._wait_until_open()

    def _wait_until_open(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex((self.address, self.port)) == 0:
                    return
            assert self.process.poll() is None, (self.folder / "log").read_text()
        raise AssertionError("sshd did not open its port")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def honest(self):
        shutil.copy(self.folder / "client.pub", self.folder / "authorized")

    @contextmanager
    def answering(self, output, status=0, stderr=b""):
        """Every command prints this instead of running."""
        (self.folder / "lie").write_bytes(output)
        (self.folder / "lie-aside").write_bytes(stderr)
        lie = f"cat {self.folder}/lie; cat {self.folder}/lie-aside >&2; exit {status}"
        public = (self.folder / "client.pub").read_text()
        (self.folder / "authorized").write_text(f'command="{lie}" {public}')
        try:
            yield
        finally:
            self.honest()

    @contextmanager
    def with_another_host_key(self):
        """As if the machine had been installed anew, or another one answered."""
        keep = [self.folder / "host", self.folder / "host.pub"]
        for path in keep:
            path.rename(path.with_suffix(path.suffix + ".before"))
        self.stop()
        make_key(self.folder / "host")
        self.start()
        try:
            yield
        finally:
            self.stop()
            for path in keep:
                path.with_suffix(path.suffix + ".before").replace(path)
            self.start()


def make_key(path, *more):
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path), *more]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running(folder):
    # Debian's sshd wants its privilege separation directory; its service unit makes it at boot.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    make_key(folder / "host")
    make_key(folder / "client")
    server = LoopbackSshd(folder, free_port())
    server.honest()
    server.start()
    try:
        yield server
    finally:
        server.stop()
