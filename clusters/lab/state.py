"""What is remembered of labs between commands: one folder per lab with ``lab.json``, its key and host keys.

Contract: writes are whole or not at all (a new file renamed over the old one); ``load`` raises UnknownLab or
BrokenState; ``exclusive`` lets one command at a time change labs, since they share one engine.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from clusters.lab import plan
from clusters.lab.errors import BrokenState, UnknownLab


@dataclass(frozen=True, kw_only=True)
class LabHost:
    """One machine of a lab, as whoever logs in sees it. ``host_key`` is as in known_hosts."""

    name: str
    address: str
    ssh_port: int
    user: str
    key_path: Path
    lab: str
    container: str
    host_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab that is up. ``changes`` says what the call that returned it did; empty if nothing was to do."""

    name: str
    subnet: str
    prefix: str
    engine: str
    hosts: tuple[LabHost, ...]
    memory: str | None = None
    cpus: float | None = None
    changes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def key_path(self) -> Path:
        return folder(self.name) / "id_ed25519"

    @property
    def known_hosts_path(self) -> Path:
        return folder(self.name) / "known_hosts"

    @property
    def spec(self) -> plan.LabSpec:
        return plan.LabSpec(
            name=self.name,
            hosts=len(self.hosts),
            subnet=IPv4Network(self.subnet),
            prefix=self.prefix,
            memory=self.memory,
            cpus=self.cpus,
        )

    def host(self, name: str) -> LabHost:
        for host in self.hosts:
            if host.name == name:
                return host
        known = ", ".join(host.name for host in self.hosts)
        raise UnknownLab(
            f"No host {name!r}", why=f"lab {self.name!r} has {known}", remedy="Name one of these."
        )


def root() -> Path:
    """Everything labs keep: ``$KCLOUD_STATE`` or ``~/.local/state/kcloud``."""
    chosen = os.environ.get("KCLOUD_STATE")
    return Path(chosen).expanduser().absolute() if chosen else Path.home() / ".local/state/kcloud"


def cache() -> Path:
    """What can be made again: ``$KCLOUD_CACHE`` or ``~/.cache/kcloud``."""
    chosen = os.environ.get("KCLOUD_CACHE")
    return (Path(chosen).expanduser().absolute() if chosen else Path.home() / ".cache/kcloud") / "lab"


def folder(name: str) -> Path:
    return root() / "lab" / name


def names() -> list[str]:
    """Labs that exist, or were begun."""
    return sorted(path.parent.name for path in (root() / "lab").glob("*/lab.json"))


def save(lab: Lab) -> None:
    target = folder(lab.name) / "lab.json"
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    document = asdict(replace(lab, changes=()))
    del document["changes"]
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=2, default=str) + "\n")
    fresh.replace(target)


def load(name: str) -> Lab:
    path = folder(name) / "lab.json"
    try:
        document = json.loads(path.read_text())
        return _lab(document)
    except FileNotFoundError:
        known = ", ".join(names()) or "none"
        raise UnknownLab(
            f"No lab {name!r}",
            why=f"the labs here are: {known}",
            remedy=f"Run 'lab up --name {name}' to make it.",
        ) from None
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise BrokenState(
            f"The record of lab {name!r} is not readable",
            why=f"{path}: {error}",
            remedy=f"Run 'lab down --name {name}', then 'lab up' again.",
        ) from error


def _lab(document: dict[str, Any]) -> Lab:
    hosts = tuple(LabHost(**{**host, "key_path": Path(host["key_path"])}) for host in document.pop("hosts"))
    return Lab(**document, hosts=hosts)


def write_known_hosts(lab: Lab) -> None:
    lines = [f"{host.address} {host.host_key}\n" for host in lab.hosts if host.host_key]
    lab.known_hosts_path.write_text("".join(lines))


def forget(name: str) -> None:
    """Remove a lab's folder, and folders above it that are empty then (not beyond the state root)."""
    shutil.rmtree(folder(name), ignore_errors=True)
    for path in (root() / "lab", root()):
        try:
            path.rmdir()
        except OSError:
            return


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the one lock of all labs; waits for another command to finish."""
    # Not in the state, which goes with the last lab; and one build of the image serves all who wait.
    path = cache() / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
