"""Reaching lab hosts: their one key pair, waiting until they answer, and the command line to log in.

Contract: ``wait`` returns when every host has shown an SSH banner, or raises HostsNotReady naming those that
did not and what was last seen of each.
"""

import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clusters.lab.errors import HostsNotReady
from clusters.lab.state import Lab, LabHost

READY_SECONDS = 120.0
_PAUSE_SECONDS = 0.05


def make_key(path: Path) -> str:
    """The lab's private key at ``path`` (0600), made if absent; returns the public half as one line."""
    if not path.exists():
        private = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(private)
    key = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return public.decode()


def wait(hosts: Sequence[LabHost], *, seconds: float = READY_SECONDS) -> None:
    if not hosts:
        return
    deadline = time.monotonic() + seconds
    with ThreadPoolExecutor(max_workers=min(32, len(hosts))) as pool:
        problems = list(pool.map(lambda host: _wait_one(host.address, host.ssh_port, deadline), hosts))
    silent = [
        f"{host.name} ({host.address}): {why}" for host, why in zip(hosts, problems, strict=True) if why
    ]
    if silent:
        raise HostsNotReady(
            f"{len(silent)} of {len(hosts)} hosts do not answer by SSH after {seconds:.0f} s",
            why="; ".join(silent),
            remedy="Look at the load of this machine; 'lab down' and 'lab up' begin anew.",
        )


def _wait_one(address: str, port: int, deadline: float) -> str:
    """'' when the banner came, else what stood in the way."""
    why = "not tried"
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, port), timeout=1) as connection:
                banner = connection.recv(64)
        except OSError as error:
            why = str(error) or type(error).__name__
        else:
            if banner.startswith(b"SSH-"):
                return ""
            why = (
                f"something else answers: {banner[:20]!r}" if banner else "the connection was closed at once"
            )
        time.sleep(_PAUSE_SECONDS)
    return why


def command(lab: Lab, host: LabHost, arguments: Sequence[str] = ()) -> list[str]:
    """The ssh command line for a person or a test; host keys are those recorded, others refused."""
    return [
        "ssh", "-i", str(host.key_path), "-p", str(host.ssh_port), "-o", "IdentitiesOnly=yes",
        "-o", f"UserKnownHostsFile={lab.known_hosts_path}", "-o", "StrictHostKeyChecking=yes",
        "-o", "GlobalKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10",
        f"{host.user}@{host.address}", *(["--", *arguments] if arguments else []),
    ]  # fmt: skip
