"""What a deployment is made of, as data: members with their roles, networks and host facts, and what Ansible is told.

Pure: no Django, no I/O. `Deployment` is frozen into the operation's inputs when it is requested, so a worker that takes
over builds the same thing again. `load` refuses whatever is not shaped like it (InventoryInvalid names the field): the
values end up in unit files and on command lines, so each is validated here once more, wherever it came from.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from clusters.planning.plan import PlanInvalid, PlanSpec, Pool
from clusters.planning.plan import parse as parse_plan
from clusters.planning.plan import to_data as plan_data

NODE_PREFIX = 24
API_PORT = 6443
# Where everything of a release lies on a host; units name it, so another version is another path.
RELEASES = "/opt/kcloud"

Name = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")]
Role = Literal["master", "worker"]
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class InventoryInvalid(ValueError):
    """A value cannot be told to a host. The text names the field."""


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host's part in the cluster. `pod_cidr` is empty for a master: it runs no pods."""

    name: Name
    address: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    role: Role
    pool: str = ""
    pod_cidr: str = ""
    cgroup_version: Annotated[int, Meta(ge=1, le=2)] = 1
    # Containers may not raise their priority against the out-of-memory killer.
    in_container: bool = False


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan with the hosts it got. Masters come first, then workers, each in natural order."""

    spec: PlanSpec
    members: tuple[Member, ...]

    @property
    def masters(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.role == "master")

    @property
    def workers(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.role == "worker")

    @property
    def names(self) -> list[str]:
        return [member.name for member in self.members]

    @property
    def highly_available(self) -> bool:
        return len(self.masters) > 1

    @property
    def endpoints(self) -> list[str]:
        return [f"https://{master.address}:{API_PORT}" for master in self.masters]

    @property
    def dns_address(self) -> str:
        return service_address(self.spec.network.service_cidr, 10)

    def pool(self, name: str) -> Pool:
        return next(pool for pool in self.spec.pools if pool.name == name)


def dump(deployment: Deployment) -> dict[str, Any]:
    """Plain JSON for the operation's inputs."""
    members = [msgspec.to_builtins(member) for member in deployment.members]
    return {"spec": plan_data(deployment.spec), "members": members}


def load(data: Mapping[str, Any]) -> Deployment:
    """What `dump` made. Raises InventoryInvalid."""
    try:
        spec = parse_plan(data["spec"])
        members = msgspec.convert(data["members"], tuple[Member, ...])
    except (KeyError, PlanInvalid, msgspec.ValidationError) as error:
        raise InventoryInvalid(str(error)) from error
    deployment = Deployment(spec=spec, members=members)
    _check(deployment)
    return deployment


def _check(deployment: Deployment) -> None:
    if not deployment.masters:
        raise InventoryInvalid("members: no master")
    pods = ipaddress.IPv4Network(deployment.spec.network.pod_cidr)
    seen: set[str] = set()
    pools = {pool.name for pool in deployment.spec.pools}
    for member in deployment.members:
        _check_address(member)
        if {member.name, member.address} & seen:
            raise InventoryInvalid(f"members: {member.name} ({member.address}) is there twice")
        seen |= {member.name, member.address}
        if member.role == "worker":
            if member.pool not in pools:
                raise InventoryInvalid(
                    f"members: {member.name} is in pool {member.pool!r}, which the plan does not know"
                )
            _check_share(member, pods, seen)


def _check_address(member: Member) -> None:
    try:
        ipaddress.IPv4Address(member.address)
    except ValueError as error:
        raise InventoryInvalid(f"members: address of {member.name}: {error}") from error


def _check_share(member: Member, pods: ipaddress.IPv4Network, seen: set[str]) -> None:
    try:
        share = ipaddress.IPv4Network(member.pod_cidr)
    except ValueError as error:
        raise InventoryInvalid(f"members: pod_cidr of {member.name}: {error}") from error
    if not share.subnet_of(pods) or member.pod_cidr in seen:
        raise InventoryInvalid(
            f"members: pod_cidr {share} of {member.name} is not a share of {pods} of its own"
        )
    seen.add(member.pod_cidr)


def assign_pod_networks(pod_cidr: str, hosts: Iterable[str], kept: Mapping[str, str]) -> dict[str, str]:
    """A /24 of the pod network for each host; hosts in `kept` stay where they are, the rest get the lowest free ones.

    The first /24 is left out: the address .0.0 of a pod network looks like a mistake to many programs.
    Raises InventoryInvalid when there is no room.
    """
    network = ipaddress.IPv4Network(pod_cidr)
    taken = set(kept.values())
    free = (str(net) for net in list_of_shares(network) if str(net) not in taken)
    assigned: dict[str, str] = {}
    for host in hosts:
        share = kept.get(host) or next(free, None)
        if share is None:
            raise InventoryInvalid(f"network.pod_cidr: {network} has no room for another node")
        assigned[host] = share
    return assigned


def list_of_shares(network: ipaddress.IPv4Network) -> Iterable[ipaddress.IPv4Network]:
    """The /24 networks nodes may get, in order."""
    if network.prefixlen > NODE_PREFIX:
        return []
    shares = network.subnets(new_prefix=NODE_PREFIX)
    if network.prefixlen < NODE_PREFIX - 1:
        next(shares)
    return shares


def service_address(service_cidr: str, number: int) -> str:
    """The nth address of the service network: 1 is the API, 10 the DNS."""
    return str(ipaddress.IPv4Network(service_cidr)[number])


class Connection(msgspec.Struct, frozen=True):
    """How Ansible signs in to one host: made by us from the host's record, never by a user."""

    username: str
    key_file: str = ""
    password: str = ""
    ssh_arguments: str = ""


def ansible_inventory(deployment: Deployment, connections: Mapping[str, Connection]) -> dict[str, Any]:
    """Hosts that have a connection, groups and how to reach them; nothing of the plan, whose values travel as unsafe
    variables."""
    hosts = {m.name: _reach(m, connections[m.name]) for m in deployment.members if m.name in connections}
    groups: dict[str, Any] = {
        "masters": {"hosts": {member.name: {} for member in deployment.masters if member.name in hosts}},
        "workers": {"hosts": {member.name: {} for member in deployment.workers if member.name in hosts}},
    }
    return {"all": {"hosts": hosts, "children": groups}}


def _reach(member: Member, connection: Connection) -> dict[str, Any]:
    if not _USER.fullmatch(connection.username):
        raise InventoryInvalid(f"credential of {member.name}: user name {connection.username!r}")
    reach: dict[str, Any] = {
        "ansible_host": member.address,
        "ansible_port": member.port,
        "ansible_user": connection.username,
        "ansible_become": connection.username != "root",
        "ansible_ssh_common_args": connection.ssh_arguments,
    }
    if connection.key_file:
        reach["ansible_ssh_private_key_file"] = connection.key_file
    if connection.password:
        reach["ansible_password"] = connection.password
    return reach


def variables(deployment: Deployment) -> dict[str, Any]:
    """What the roles' templates need: `cluster` and, by name, `hosts`."""
    return {
        "cluster": _cluster(deployment),
        "hosts": {m.name: _host(deployment, m) for m in deployment.members},
    }


def _cluster(deployment: Deployment) -> dict[str, Any]:
    spec, network = deployment.spec, deployment.spec.network
    return {
        "name": spec.name,
        "version": spec.version,
        "directory": f"{RELEASES}/{spec.version}",
        "domain": network.dns_domain,
        "pod_cidr": network.pod_cidr,
        "service_cidr": network.service_cidr,
        "dns_address": deployment.dns_address,
        "node_ports": network.node_ports,
        "proxy_mode": network.proxy_mode,
        "highly_available": deployment.highly_available,
        "masters": [{"name": master.name, "address": master.address} for master in deployment.masters],
        "initial_cluster": ",".join(f"{m.name}=https://{m.address}:2380" for m in deployment.masters),
        "etcd_servers": ",".join(f"https://{m.address}:2379" for m in deployment.masters),
        "token": f"kcloud-{spec.name}",
    }


def _host(deployment: Deployment, member: Member) -> dict[str, Any]:
    others = [other for other in deployment.workers if other.name != member.name]
    host: dict[str, Any] = {
        "name": member.name,
        "address": member.address,
        "pod_cidr": member.pod_cidr,
        "routes": [{"network": other.pod_cidr, "via": other.address} for other in others],
        "cgroup_version": member.cgroup_version,
        "oom_score": 0 if member.in_container else -999,
    }
    if member.role == "worker":
        host["taints"] = [msgspec.to_builtins(taint) for taint in deployment.pool(member.pool).taints]
    return host


def workers_api(deployment: Deployment) -> str:
    """Where a worker finds the API: the only master, or the load balancer on its own loopback."""
    return f"https://127.0.0.1:{API_PORT}" if deployment.highly_available else deployment.endpoints[0]


def input_hash(*parts: Any) -> str:
    """What a step is done with, as one number: the same parts, the same number."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
