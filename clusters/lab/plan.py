"""What a lab shall be, and what is to be done to get there: pure decisions, no I/O.

Contract: ``check`` raises InvalidLab naming the field; everything else is total. Names of containers, the
network and its interface follow from the lab's name alone, so a lab can be removed without its record.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from clusters.lab.errors import InvalidLab

DEFAULT_NAME = "demo"
DEFAULT_HOSTS = 5
DEFAULT_SUBNET = "172.30.0.0/24"
DEFAULT_PREFIX = "h"
LAB_LABEL = "kcloud.lab"
HOST_LABEL = "kcloud.host"
SSH_USER = "kcloud"
SSH_PORT = 22

_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
_PREFIX = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9-])?")
_MEMORY = re.compile(r"[1-9][0-9]*[mg]")
_PRIVATE = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]

HostAction = Literal["create", "start", "unpause", "connect"]


@dataclass(frozen=True, kw_only=True)
class LabSpec:
    """A lab as asked for. ``memory`` as docker writes it (``2g``), ``cpus`` in cores; None is unlimited."""

    name: str
    hosts: int
    subnet: IPv4Network
    prefix: str
    memory: str | None = None
    cpus: float | None = None

    @property
    def network(self) -> str:
        return f"kcloud-{self.name}"


@dataclass(frozen=True, kw_only=True)
class HostPlan:
    """One host to be: its name, its fixed address and the container that carries it."""

    name: str
    address: str
    container: str


@dataclass(frozen=True, kw_only=True)
class Observed:
    """What the engine says of one host: ``state`` in docker's words, ``started_at`` in ISO 8601."""

    name: str
    state: str
    started_at: str
    attached: bool


def container_name(lab: str, host: str) -> str:
    return f"kcloud-{lab}-{host}"


def bridge_name(lab: str) -> str:
    """The network interface of a lab on this machine: unique, at most 15 characters (the kernel's limit)."""
    return f"kl-{lab}" if len(lab) <= 12 else f"kl-{hashlib.sha256(lab.encode()).hexdigest()[:12]}"


def spec(
    *,
    name: str = DEFAULT_NAME,
    hosts: int = DEFAULT_HOSTS,
    subnet: str = DEFAULT_SUBNET,
    prefix: str = DEFAULT_PREFIX,
    memory: str | None = None,
    cpus: float | None = None,
) -> LabSpec:
    """Check each value as typed by a person; InvalidLab names the first one that cannot be had."""
    check_name(name)
    if not _PREFIX.fullmatch(prefix):
        raise InvalidLab(
            "prefix",
            why=f"{prefix!r} cannot begin a host name",
            remedy="Use letters, digits and '-', as in 'h'.",
        )
    network = _network(subnet)
    _check_count(hosts, network)
    if memory is not None and not _MEMORY.fullmatch(memory):
        raise InvalidLab(
            "memory", why=f"{memory!r} is not a size", remedy="Write a number with m or g, as in '2g'."
        )
    if cpus is not None and not 0.05 <= cpus <= 1024:
        raise InvalidLab("cpus", why=f"{cpus} cores cannot be given", remedy="Use 0.05 or more, as in '1.5'.")
    return LabSpec(name=name, hosts=hosts, subnet=network, prefix=prefix, memory=memory, cpus=cpus)


def check_name(name: str) -> None:
    if not _LABEL.fullmatch(name):
        raise InvalidLab(
            "name",
            why=f"{name!r} is not a lab name",
            remedy="Use up to 20 small letters, digits and '-', beginning with a letter, as in 'demo'.",
        )


def _network(text: str) -> IPv4Network:
    remedy = f"Give a private IPv4 network between /16 and /29, as in '{DEFAULT_SUBNET}'."
    try:
        network = IPv4Network(text)
    except ValueError as error:
        raise InvalidLab("subnet", why=f"{text!r} is not a network ({error})", remedy=remedy) from error
    if not any(network.subnet_of(private) for private in _PRIVATE):
        raise InvalidLab("subnet", why=f"{network} is not a private network", remedy=remedy)
    if not 16 <= network.prefixlen <= 29:
        raise InvalidLab("subnet", why=f"/{network.prefixlen} is too large or too small", remedy=remedy)
    return network


def _check_count(hosts: int, network: IPv4Network) -> None:
    room = capacity(network)
    if hosts < 1:
        raise InvalidLab("hosts", why=f"a lab of {hosts} hosts is none", remedy="Ask for at least 1.")
    if hosts > room:
        raise InvalidLab(
            "hosts",
            why=f"{network} has room for {room} hosts, not {hosts}",
            remedy="Ask for fewer hosts or give a larger --subnet.",
        )


def _offset(network: IPv4Network) -> int:
    # In a large network, room below the hosts for addresses people add by hand (a virtual one, say).
    return 10 if network.prefixlen <= 25 else 1


def capacity(network: IPv4Network) -> int:
    """Hosts that fit: all addresses but the network's, the broadcast's and those below the first host."""
    return network.num_addresses - 2 - _offset(network)


def host_plans(lab: LabSpec) -> list[HostPlan]:
    """Hosts 1..n. A host's name and address depend on its number only, so a lab can grow."""
    first = int(lab.subnet.network_address) + _offset(lab.subnet)
    names = [f"{lab.prefix}{number}" for number in range(1, lab.hosts + 1)]
    return [
        HostPlan(
            name=name, address=str(IPv4Address(first + number)), container=container_name(lab.name, name)
        )
        for number, name in enumerate(names, start=1)
    ]


def check_free(subnet: IPv4Network, taken: Mapping[IPv4Network, str]) -> None:
    """Refuse a subnet that overlaps one in use; ``taken`` maps each to who uses it, in words."""
    for network, owner in taken.items():
        if subnet.overlaps(network):
            free = suggestion(taken)
            remedy = f"'--subnet {free}' is free." if free else "Give another --subnet."
            raise InvalidLab("subnet", why=f"{subnet} overlaps {network}, used by {owner}", remedy=remedy)


def suggestion(taken: Iterable[IPv4Network]) -> IPv4Network | None:
    used = list(taken)
    candidates = IPv4Network("172.30.0.0/16").subnets(new_prefix=24)
    return next((one for one in candidates if not any(one.overlaps(other) for other in used)), None)


def settle(
    existing: LabSpec | None,
    taken: Mapping[IPv4Network, str],
    *,
    name: str,
    hosts: int | None = None,
    subnet: str | None = None,
    prefix: str | None = None,
    memory: str | None = None,
    cpus: float | None = None,
) -> LabSpec:
    """The lab meant: what is not said stays as it is, or takes the default (subnet: the next free)."""
    if existing is None:
        free = suggestion(taken) if subnet is None else None
        wanted = spec(
            name=name, hosts=DEFAULT_HOSTS if hosts is None else hosts,
            subnet=subnet or str(free or DEFAULT_SUBNET), prefix=prefix or DEFAULT_PREFIX,
            memory=memory, cpus=cpus,
        )  # fmt: skip
        check_free(wanted.subnet, taken)
        return wanted
    wanted = spec(
        name=name, hosts=existing.hosts if hosts is None else hosts,
        subnet=subnet or str(existing.subnet), prefix=prefix or existing.prefix,
        memory=memory or existing.memory, cpus=cpus or existing.cpus,
    )  # fmt: skip
    check_growth(existing, wanted)
    return wanted


def check_growth(existing: LabSpec, wanted: LabSpec) -> None:
    """A lab that is there can grow, nothing else: its addresses are known to others by now."""
    down = f"Run 'lab down --name {existing.name}' first, or choose another --name."
    if wanted.subnet != existing.subnet:
        raise InvalidLab("subnet", why=f"lab {existing.name!r} is on {existing.subnet}", remedy=down)
    if wanted.prefix != existing.prefix:
        raise InvalidLab(
            "prefix", why=f"hosts of lab {existing.name!r} begin with {existing.prefix!r}", remedy=down
        )
    for field, was, now in (
        ("memory", existing.memory, wanted.memory),
        ("cpus", existing.cpus, wanted.cpus),
    ):
        if was != now:
            raise InvalidLab(
                field, why=f"hosts of lab {existing.name!r} have {was or 'no limit'}", remedy=down
            )
    if wanted.hosts < existing.hosts:
        raise InvalidLab(
            "hosts",
            why=f"lab {existing.name!r} has {existing.hosts} hosts and a lab can only grow",
            remedy=down,
        )


def actions(
    plans: Sequence[HostPlan], observed: Mapping[str, Observed]
) -> list[tuple[HostPlan, list[HostAction]]]:
    """What each host needs to be up and reachable; hosts that need nothing are left out."""
    needed = [(plan, _actions_for(observed.get(plan.name))) for plan in plans]
    return [(plan, todo) for plan, todo in needed if todo]


def _actions_for(seen: Observed | None) -> list[HostAction]:
    if seen is None:
        return ["create"]
    todo: list[HostAction] = []
    if seen.state == "paused":
        todo.append("unpause")
    # Before the start, so that the host boots with its network.
    if not seen.attached:
        todo.append("connect")
    if seen.state not in {"running", "paused"}:
        todo.append("start")
    return todo


def network_arguments(lab: LabSpec) -> list[str]:
    """``docker network create``: a bridge that is never translated to the outside."""
    return [
        "network", "create", "--driver=bridge", f"--subnet={lab.subnet}",
        f"--label={LAB_LABEL}={lab.name}",
        f"--opt=com.docker.network.bridge.name={bridge_name(lab.name)}",
        "--opt=com.docker.network.bridge.enable_ip_masquerade=false",
        lab.network,
    ]  # fmt: skip


def run_arguments(lab: LabSpec, plan: HostPlan, *, image: str, public_key: str) -> list[str]:
    """``docker run`` of one host.

    Private cgroup namespace, so that a node's pods are counted and cleaned up as that node's alone; every
    capability but SYS_RESOURCE, which not every machine has to give (``--privileged`` would demand it);
    /var a volume of its own, so that the runtime's overlay file system does not lie on another overlay.
    """
    limits = [f"--memory={lab.memory}"] if lab.memory else []
    limits += [f"--cpus={lab.cpus}"] if lab.cpus else []
    return [
        "run", "--detach", f"--name={plan.container}", f"--hostname={plan.name}",
        f"--label={LAB_LABEL}={lab.name}", f"--label={HOST_LABEL}={plan.name}",
        f"--network={lab.network}", f"--ip={plan.address}",
        "--cgroupns=private", "--cap-add=ALL", "--cap-drop=SYS_RESOURCE",
        "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined",
        "--device=/dev/kmsg", "--device-cgroup-rule=a *:* rwm",
        "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", "--volume=/var",
        "--stop-signal=SIGRTMIN+3", "--log-opt=max-size=1m",
        f"--env=LAB_AUTHORIZED_KEY={public_key}",
        *limits,
        "--entrypoint=/sbin/lab-init", image,
    ]  # fmt: skip
