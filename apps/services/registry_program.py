"""The registry's program: where it is, what it is told, and keeping it running, one process for each address.

All processes of a registry share one storage folder. What the program reads (certificate, keys of tokens,
configuration) is written anew at each start and daily, so that a certificate is exchanged long before it ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from apps.services import registry_keys, registry_places, registry_tokens

PROGRAM = "kcloud-registry"
TOKEN_PATH = "/registry/token"  # noqa: S105 # an address
RENEW_SECONDS = 86_400.0
LARGEST_LOG = 10_000_000
SHORTEST_PAUSE, LONGEST_PAUSE, LOOK_SECONDS = 0.2, 30.0, 0.5


def find_program() -> Path | None:
    """The program: what KCLOUD_REGISTRY_PROGRAM names, else the one of the newest bundle that has it."""
    named = os.environ.get("KCLOUD_REGISTRY_PROGRAM", "")
    if named:
        return Path(named)
    found = [path for path in Path(settings.BUNDLES_DIR).glob(f"*/bin/{PROGRAM}") if path.is_file()]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def configuration(address: str, home: Path, secret: str) -> dict[str, Any]:
    """What the program is told (JSON is YAML)."""
    return {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(home / "storage")},
            "delete": {"enabled": True},
            # No cache of blobs: it would be each process's own, and deletions are seen by all at once.
        },
        "http": {
            "addr": address,
            "secret": secret,
            "relativeurls": True,
            "draintimeout": "5s",
            "tls": {"certificate": str(home / "server.crt"), "key": str(home / "server.key")},
        },
        "auth": {
            "token": {
                # The token address is the one the client came by: TOKEN_PATH on this very port.
                "autoredirect": True,
                "autoredirectpath": TOKEN_PATH,
                "realm": f"https://{settings.REGISTRY_HOST}{TOKEN_PATH}",
                "service": registry_tokens.SERVICE,
                "issuer": registry_tokens.ISSUER,
                "jwks": str(home / "tokens.json"),
            }
        },
    }


def certificate_names(host: str, addresses: list[str], node_address: str) -> list[str]:
    """What the certificate is for: the name images carry, and every address it is reached by."""
    places = [host, *addresses, *([node_address] if node_address else [])]
    names = [place.rpartition(":")[0].strip("[]") or place for place in places]
    return list(dict.fromkeys([*names, "localhost", "127.0.0.1"]))


def write_files(now: datetime) -> dict[str, Path]:
    """Everything the program reads; answers the configuration of each address."""
    home = Path(settings.REGISTRY_HOME)
    (home / "storage").mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = registry_keys.identity(now)
    addresses = registry_places.addresses()
    names = certificate_names(settings.REGISTRY_HOST, addresses, registry_places.node_address())
    pair = registry_keys.server_pair(names, now)
    _write(home / "ca.crt", identity.authority.certificate, 0o644)
    _write(home / "server.crt", pair.certificate, 0o644)
    _write(home / "server.key", pair.key, 0o600)
    _write(home / "tokens.json", json.dumps(registry_keys.public_keys(now)).encode(), 0o644)
    found = {}
    for number, address in enumerate(addresses):
        path = home / f"registry-{number}.json"
        _write(path, json.dumps(configuration(address, home, identity.proof), indent=1).encode(), 0o600)
        found[address] = path
    return found


def environment(proof: str) -> dict[str, str]:
    """What the program's process knows: nothing of the portal's own secrets but the proof."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(settings.REGISTRY_HOME),
        "KCLOUD_REGISTRY_PORTAL": settings.REGISTRY_PORTAL,
        "KCLOUD_REGISTRY_PROOF": proof,
        # It would look for a collector of traces on this machine.
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
    }


@dataclass
class Supervisor:
    """Keeps a process for each address; `say` hears what a person at the terminal should know."""

    say: Callable[[str], None] = lambda text: None
    stop: threading.Event = field(default_factory=threading.Event)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self) -> None:
        """Until `stop` is set. A process that ends is started again, at growing distance."""
        said, pause, renew_at = "", SHORTEST_PAUSE, 0.0
        try:
            while not self.stop.is_set():
                problem = self._why_not()
                if problem and problem != said:
                    self.say(problem)
                said = problem
                if not problem and time.monotonic() >= renew_at:
                    self._end()
                    renew_at = time.monotonic() + RENEW_SECONDS
                started = not problem and self._start_missing()
                pause = min(LONGEST_PAUSE, pause * 2) if started else max(SHORTEST_PAUSE, pause / 2)
                self.stop.wait(pause if started else LOOK_SECONDS)
        finally:
            self._end()

    def _why_not(self) -> str:
        if not registry_places.addresses():
            return "The registry is off (KCLOUD_REGISTRY_ADDRESS)."
        if find_program() is None:
            return f"No bundle has the program {PROGRAM}. Build one: manage.py bundle build"
        return ""

    def _start_missing(self) -> bool:
        ended = [
            address
            for address in registry_places.addresses()
            if address not in self._running or self._running[address].poll() is not None
        ]
        if not ended:
            return False
        now = timezone.now()
        try:
            close_old_connections()
            files, proof = write_files(now), registry_keys.identity(now).proof
        except DatabaseError as error:
            self.say(f"The database does not answer: {error}")
            return True
        for address in ended:
            self.say(f"The registry {settings.REGISTRY_HOST} starts on {address}.")
            self._running[address] = start(files[address], environment(proof))
        close_old_connections()
        return True

    def _end(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(timeout=8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


def start(path: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """The program with one configuration; what it says goes into a file beside it."""
    program, log = find_program(), path.with_suffix(".log")
    assert program is not None
    if log.exists() and log.stat().st_size > LARGEST_LOG:
        log.replace(path.with_suffix(".log.1"))
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(program), "serve", str(path)],
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
        )


def collect_garbage() -> str:
    """Remove what no manifest needs any more; answers what the program says. Nothing may be pushed meanwhile."""
    files, program = write_files(timezone.now()), find_program()
    if program is None:
        raise FileNotFoundError(PROGRAM)
    argv = [str(program), "garbage-collect", "--delete-untagged=false", str(next(iter(files.values())))]
    done = subprocess.run(argv, env=environment(""), capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _write(path: Path, content: bytes, mode: int) -> None:
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.chmod(mode)
    draft.replace(path)
