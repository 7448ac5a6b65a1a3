"""The shape of a cluster plan, and the arithmetic about it. Pure: no Django, no I/O.

`PlanSpec` is what a PlanRevision stores as JSON; `parse(data)` is the only way in and raises PlanInvalid with every
problem found, each naming its field (a path as in "network.pod_cidr") and the remedy.
"""

from __future__ import annotations

import msgspec


class Taint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: str
    value: str = ""
    effect: str = "NoSchedule"


class Pool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A named group of workers: hosts by name, or `count` of the region's spare hosts (resolved at deployment)."""

    name: str
    hosts: tuple[str, ...] = ()
    count: int = 0
    labels: dict[str, str] = {}
    taints: tuple[Taint, ...] = ()


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pod_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/16"
    dns_domain: str = "cluster.local"
    node_ports: str = "30000-32767"
    proxy_mode: str = "iptables"  # or "nftables"


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default_class: str = "none"  # or "local": local volumes, bound when first used


class MaintenanceWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weekly: day 0 is Monday; start "HH:MM" in `time_zone`; `hours` long."""

    day: int = 6
    start: str = "02:00"
    hours: int = 4
    time_zone: str = "UTC"


class PlanSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    region: str
    version: str  # "1.34.4"
    masters: tuple[str, ...]  # host names; 1 or 3
    pools: tuple[Pool, ...] = ()
    network: Network = Network()
    storage: Storage = Storage()
    runtime: str = "containerd"
    addons: tuple[str, ...] = ("coredns",)
    maintenance_window: MaintenanceWindow | None = None
