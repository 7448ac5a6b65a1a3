"""What is known of a host: the shape, the probe that gathers it, and the only way from a host's answer to it.

Pure: no Django, no network. A host's answer is hostile: `parse` takes the probe's one line, bounds every size, removes
control and direction characters, checks every type, and raises FactsInvalid naming the field. Sizes are bytes,
times seconds, link speeds Mbit/s.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

PROBE = Path(__file__).with_name("facts_probe.py").read_text(encoding="utf-8")
PROBE_TIMEOUT = 30.0
MAX_ANSWER = 512 * 1024
_MARK = "KCLOUD-FACTS 1 "
_LONGEST_TEXT = 300
_MOST_ITEMS = 512
_DEEPEST = 6
# Control characters, direction overrides, line and paragraph separators, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")

Count = Annotated[int, Meta(ge=0, le=2**53)]
Moment = Annotated[float, Meta(ge=0, le=2**40)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class FactsInvalid(Exception):
    """The answer is not the probe's. `field` is the path of what is wrong, `why` in English."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}" if field else why)
        self.field, self.why = field, why


class Disk(msgspec.Struct, frozen=True):
    name: str
    size: Count
    rotational: bool = False
    model: str = ""


class Mount(msgspec.Struct, frozen=True):
    path: str
    size: Count
    free: Count
    device: str = ""
    kind: str = ""
    inodes: Count = 0
    inodes_free: Count = 0
    read_only: bool = False


class Nic(msgspec.Struct, frozen=True):
    """`addresses` with prefix length ("10.0.0.5/24"); `speed` None: unknown (virtual, or no link)."""

    name: str
    mac: str = ""
    addresses: tuple[str, ...] = ()
    speed: Count | None = None
    mtu: Count = 0
    up: bool = True
    physical: bool = False


class DefaultRoute(msgspec.Struct, frozen=True):
    interface: str
    gateway: str


class Route(msgspec.Struct, frozen=True):
    interface: str
    network: str


class Gpu(msgspec.Struct, frozen=True):
    slot: str
    vendor: str
    model: str = ""
    driver: str = ""


class Listener(msgspec.Struct, frozen=True):
    protocol: str  # "tcp" or "udp"
    port: Port
    address: str
    program: str = ""


class Sign(msgspec.Struct, frozen=True):
    """Something left or running from Kubernetes ("kubernetes", "etcd", "runtime", "network")."""

    kind: str
    what: str
    running: bool = False


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A host as its probe saw it. `clock_offset`: how far its clock is from the portal's at the least."""

    hostname: str
    kernel: str
    cpus: Annotated[int, Meta(ge=1, le=65536)]
    memory: Count
    clock: Moment
    machine_id: str = ""
    product_uuid: str = ""
    root: bool = False
    os_id: str = ""
    os_version: str = ""
    os_name: str = ""
    architecture: str = ""
    python: str = ""
    package_manager: str = ""
    tools: tuple[str, ...] = ()
    systemd: bool = False
    boot_id: str = ""
    uptime: Moment = 0.0
    load: tuple[Moment, ...] = ()
    virtualization: str = ""
    cpu_model: str = ""
    memory_available: Count = 0
    swap: Count = 0
    swap_devices: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    mounts: tuple[Mount, ...] = ()
    nics: tuple[Nic, ...] = ()
    default_route: DefaultRoute | None = None
    routes: tuple[Route, ...] = ()
    name_servers: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    cgroup_version: Annotated[int, Meta(ge=0, le=2)] = 0
    cgroup_controllers: tuple[str, ...] = ()
    listening: tuple[Listener, ...] = ()
    signs: tuple[Sign, ...] = ()
    sysctls: dict[str, str] = {}
    modules: dict[str, str] = {}
    selinux: str = "off"
    apparmor: bool = False
    time_zone: str = ""
    clock_synchronized: bool | None = None
    clock_offset: float = 0.0
    # Parts the probe could not read, with its own words.
    problems: dict[str, str] = {}

    @property
    def is_virtual(self) -> bool:
        return self.virtualization not in ("", "none")

    @property
    def disk_size(self) -> int:
        return sum(disk.size for disk in self.disks)

    def mount_of(self, path: str) -> Mount | None:
        """The file system a path would be written to."""
        holders = [mount for mount in self.mounts if _is_under(path, mount.path)]
        return max(holders, key=lambda mount: len(mount.path), default=None)

    def free_at(self, path: str) -> int | None:
        """Bytes free where the path would be written; None when the probe did not see it."""
        mount = self.mount_of(path)
        return mount.free if mount else None

    def listeners_on(self, port: int, protocol: str = "tcp") -> tuple[Listener, ...]:
        return tuple(found for found in self.listening if found.port == port and found.protocol == protocol)

    def networks(self) -> tuple[str, ...]:
        """Networks the host is in or routes to, as CIDRs with host bits left in."""
        own = [address for nic in self.nics for address in nic.addresses]
        return tuple(dict.fromkeys([*own, *(route.network for route in self.routes)]))


def parse(stdout: str, *, asked_at: float | None = None, answered_at: float | None = None) -> HostFacts:
    """The facts in a probe's answer. `asked_at`, `answered_at`: the portal's clock around the run, for the offset."""
    if len(stdout) > MAX_ANSWER:
        raise FactsInvalid("", f"the answer has more than {MAX_ANSWER} characters")
    line = next((line for line in reversed(stdout.splitlines()) if line.startswith(_MARK)), None)
    if line is None:
        raise FactsInvalid("", "the probe's line is not in the answer")
    try:
        data = json.loads(line[len(_MARK) :], parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FactsInvalid("", "the answer is not JSON") from error
    facts = _convert(_clean(data, "", 0))
    if asked_at is None or answered_at is None:
        return facts
    offset = clock_offset(facts.clock, asked_at=asked_at, answered_at=answered_at)
    return msgspec.structs.replace(facts, clock_offset=offset)


def stored(data: dict[str, Any]) -> HostFacts | None:
    """What `as_json` made, from the database; None when nothing (usable) was gathered yet."""
    try:
        return msgspec.convert(data, HostFacts, strict=False) if data else None
    except msgspec.ValidationError:
        return None


def as_json(facts: HostFacts) -> dict[str, Any]:
    """The form to store: what comes back from the database is equal to it."""
    built: dict[str, Any] = json.loads(msgspec.json.encode(facts))
    return built


def clock_offset(clock: float, *, asked_at: float, answered_at: float) -> float:
    """Seconds the host is ahead (behind: negative), as far as it is certain: the answer's way is not counted."""
    if clock > answered_at:
        return clock - answered_at
    return min(0.0, clock - asked_at)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _convert(data: Any) -> HostFacts:
    try:
        return msgspec.convert(data, HostFacts)
    except msgspec.ValidationError as error:
        text, _dash, path = str(error).partition(" - at ")
        raise FactsInvalid(path.strip("`").removeprefix("$").lstrip("."), text) from error


def _clean(value: Any, path: str, depth: int) -> Any:
    """The same value with safe, bounded text; too many or too deep is refused."""
    if isinstance(value, str):
        return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", value)[:_LONGEST_TEXT].strip()
    if not isinstance(value, (list, dict)):
        return value
    if len(value) > _MOST_ITEMS or depth > _DEEPEST:
        raise FactsInvalid(path, "more than a host can have")
    if isinstance(value, list):
        return [_clean(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
    return {
        _UNSAFE.sub("", key)[:80]: _clean(item, f"{path}.{key[:40]}".lstrip("."), depth + 1)
        for key, item in value.items()
    }


def _is_under(path: str, parent: str) -> bool:
    return parent == "/" or path == parent or path.startswith(parent.rstrip("/") + "/")
