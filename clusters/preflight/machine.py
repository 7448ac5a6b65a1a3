"""The verdicts about a machine as such: system, kernel, features, processors, memory, disk, swap, clock.
Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from clusters.hosts.facts import HostFacts
from clusters.planning.names import shown
from clusters.preflight.checks import Finding

GIB = 1024**3
KERNEL_NEEDED, KERNEL_GOOD, KERNEL_NFTABLES = (4, 19), (5, 4), (5, 13)
CPU_NEEDED, CPU_GOOD = 1, 2
# A single master of this recipe uses 0.35 GiB, a worker 0.25 GiB, before anybody's applications.
MEMORY_NEEDED, MEMORY_GOOD = 1.5, 3.0
# The bundle unpacks to about 1 GiB on a node; the rest is images, logs and the store.
DISK_NEEDED, DISK_GOOD = 3.0, 10.0
SKEW_GOOD_MS, SKEW_LIMIT_MS = 250, 5000
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "ppc64le": "ppc64le", "s390x": "s390x"}
_SUITES = {"bookworm": ("debian", "12"), "trixie": ("debian", "13")}
DISK_PATHS = ("/var/lib", "/var/log", "/opt")
NEEDED_MODULES = ("overlay", "br_netfilter", "nf_conntrack", "nf_tables")
QUEUE_WAYS = {"nftables": "nft_queue", "iptables": "xt_NFQUEUE"}
QUEUE_MODULES = ("nfnetlink_queue", *QUEUE_WAYS.values())
MASTER_PORTS = (2379, 2380, 2381, 6443, 10257, 10259)
WORKER_PORTS = (10248, 10249, 10250, 10251, 10252, 10256)
BALANCER_PORTS = (6443,)


@dataclass(frozen=True, kw_only=True)
class HostTask:
    """What the plan wants of a host, and what the portal knows about it."""

    host: str
    role: str
    version: str
    masters: int
    pod_network: IPv4Network
    service_network: IPv4Network
    node_ports: tuple[int, int]
    proxy_mode: str
    # Whether it serves this very cluster already: what runs there is then our own.
    own: bool = False
    suite: str = ""
    architecture: str = ""
    taken: Sequence[IPv4Network] = field(default=())

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports its programs will listen on."""
        if self.role == "master":
            return MASTER_PORTS
        return WORKER_PORTS + (BALANCER_PORTS if self.masters > 1 else ())


def machine_findings(task: HostTask, facts: HostFacts, skew: int) -> list[Finding]:
    """Every check of the machine; `skew` is what `skew_ms` answered."""
    return [
        _system(task, facts),
        _architecture(task, facts),
        _kernel(task, facts),
        _features(facts),
        _policies(task, facts),
        _cgroup(task, facts),
        _cpu(facts),
        _memory(facts),
        _disk(facts),
        _swap(facts),
        clock_finding(skew),
    ]


def clock_finding(skew: int) -> Finding:
    """How far off a clock may be: elections and certificates bear little."""
    size = abs(skew)
    found = {"skew": size, "limit": SKEW_GOOD_MS}
    if size > SKEW_LIMIT_MS:
        return Finding("clock", "block", {"code": "wrong", **found})
    if size > SKEW_GOOD_MS:
        return Finding("clock", "warn", {"code": "off", **found})
    return Finding("clock", "pass", {"code": "ok", **found})


def _system(task: HostTask, facts: HostFacts) -> Finding:
    name = shown(facts.os_name or facts.os_id or "?")
    if not facts.systemd:
        return Finding("os", "block", {"code": "systemd", "os": name})
    wanted = _SUITES.get(task.suite)
    if wanted and (facts.os_id, facts.os_version.split(".")[0]) != wanted:
        return Finding(
            "os", "block", {"code": "suite", "os": name, "wanted": f"{wanted[0].title()} {wanted[1]}"}
        )
    return Finding("os", "pass", {"code": "ok", "os": name})


def _architecture(task: HostTask, facts: HostFacts) -> Finding:
    found = _MACHINES.get(facts.architecture, shown(facts.architecture))
    if task.architecture and found != task.architecture:
        return Finding(
            "architecture", "block", {"code": "differs", "found": found, "wanted": task.architecture}
        )
    return Finding("architecture", "pass", {"code": "ok", "found": found})


def _kernel(task: HostTask, facts: HostFacts) -> Finding:
    about = {"kernel": shown(facts.kernel), "version": task.version}
    numbers = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", facts.kernel)
    if not numbers:
        return Finding("kernel", "block", {"code": "unknown", **about})
    found = (int(numbers[1]), int(numbers[2]))
    if found < KERNEL_NEEDED:
        return Finding("kernel", "block", {"code": "old", "wanted": _dotted(KERNEL_NEEDED), **about})
    if task.proxy_mode == "nftables" and task.role == "worker" and found < KERNEL_NFTABLES:
        return Finding("kernel", "block", {"code": "nftables", "wanted": _dotted(KERNEL_NFTABLES), **about})
    if found < KERNEL_GOOD:
        return Finding("kernel", "warn", {"code": "aged", "wanted": _dotted(KERNEL_GOOD), **about})
    return Finding("kernel", "pass", {"code": "ok", **about})


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _features(facts: HostFacts) -> Finding:
    """What is known to be missing blocks; in a container nobody can tell what the kernel could load."""
    missing = [name for name in NEEDED_MODULES if facts.modules.get(name) == "missing"]
    if "net.bridge.bridge-nf-call-iptables" in facts.sysctls and "br_netfilter" in missing:
        missing.remove("br_netfilter")
    if missing:
        return Finding("features", "block", {"code": "missing", "missing": ", ".join(missing)})
    unseen = [name for name in NEEDED_MODULES if facts.modules.get(name, "unknown") == "unknown"]
    if unseen:
        return Finding("features", "pass", {"code": "unseen", "unseen": ", ".join(unseen)})
    return Finding("features", "pass", {"code": "ok"})


def _policies(task: HostTask, facts: HostFacts) -> Finding:
    """Whether the kernel can hand packets to the agent of network policies, by nftables or by iptables."""
    if task.role == "master":
        return Finding("policies", "pass", {"code": "master"})
    known = {name: facts.modules.get(name, "unknown") for name in QUEUE_MODULES}
    ways = [way for way, module in QUEUE_WAYS.items() if known[module] in ("loaded", "available")]
    if known["nfnetlink_queue"] == "missing" or all(
        known[module] == "missing" for module in QUEUE_WAYS.values()
    ):
        return Finding("policies", "block", {"code": "none"})
    if not ways:
        return Finding("policies", "pass", {"code": "unseen"})
    return Finding("policies", "pass", {"code": "ok", "way": ways[0]})


def _cgroup(task: HostTask, facts: HostFacts) -> Finding:
    major, minor = (int(part) for part in task.version.split(".")[:2])
    found = {"version": task.version}
    if facts.cgroup_version == 2:
        return Finding("cgroup", "pass", {"code": "v2", **found})
    if (major, minor) >= (1, 35):
        return Finding("cgroup", "block", {"code": "removed", **found})
    if (major, minor) >= (1, 31):
        return Finding("cgroup", "warn", {"code": "deprecated", **found})
    return Finding("cgroup", "pass", {"code": "v1", **found})


def _cpu(facts: HostFacts) -> Finding:
    found = {"cores": facts.cpus}
    if facts.cpus < CPU_NEEDED:
        return Finding("cpu", "block", {"code": "none", "wanted": CPU_NEEDED, **found})
    if facts.cpus < CPU_GOOD:
        return Finding("cpu", "warn", {"code": "few", "wanted": CPU_GOOD, **found})
    return Finding("cpu", "pass", {"code": "ok", **found})


def _in_gib(size: float) -> str:
    return f"{size / GIB:.1f}"


def _memory(facts: HostFacts) -> Finding:
    found = {"found": _in_gib(facts.memory)}
    if facts.memory < MEMORY_NEEDED * GIB:
        return Finding("memory", "block", {"code": "short", "wanted": f"{MEMORY_NEEDED:g}", **found})
    if facts.memory < MEMORY_GOOD * GIB:
        return Finding("memory", "warn", {"code": "little", "wanted": f"{MEMORY_GOOD:g}", **found})
    return Finding("memory", "pass", {"code": "ok", **found})


def _disk(facts: HostFacts) -> Finding:
    """The tightest of the file systems that images, logs, the store and the programs go to."""
    mounts = {path: mount for path in DISK_PATHS if (mount := facts.mount_of(path)) is not None}
    if not mounts:
        return Finding("disk", "warn", {"code": "unseen"})
    path = min(mounts, key=lambda each: mounts[each].free)
    found = {"path": mounts[path].path, "found": _in_gib(mounts[path].free)}
    fixed = [mount.path for mount in mounts.values() if mount.read_only]
    if fixed:
        return Finding("disk", "block", {"code": "read_only", "path": fixed[0]})
    if mounts[path].free < DISK_NEEDED * GIB:
        return Finding("disk", "block", {"code": "short", "wanted": f"{DISK_NEEDED:g}", **found})
    if mounts[path].free < DISK_GOOD * GIB:
        return Finding("disk", "warn", {"code": "little", "wanted": f"{DISK_GOOD:g}", **found})
    return Finding("disk", "pass", {"code": "ok", **found})


def _swap(facts: HostFacts) -> Finding:
    if facts.swap > 0:
        return Finding("swap", "warn", {"code": "on", "found": _in_gib(facts.swap)})
    return Finding("swap", "pass", {"code": "off"})
