"""What the plan page shows: the choices of its form, the preflight beside it, what deploying would mean."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from clusters.hosts import facts
from clusters.models import Bundle, Cluster, Host, Region
from clusters.planning.networks import free_network
from clusters.planning.placement import place
from clusters.planning.plan import Network, PlanSpec
from clusters.selectors import bundles, plans
from clusters.selectors.consequences import consequences
from clusters.selectors.preflight import preflight_verdict
from clusters.selectors.preflight_panel import panel

# A form of more rows helps nobody: larger clusters take hosts by count, or come as YAML.
HOST_ROWS_LIMIT = 200


@dataclass(frozen=True)
class Choices:
    """What may be chosen in the form. `left_out`: hosts beyond the rows."""

    hosts: list[Host]
    regions: list[Region]
    bundles: list[Bundle]


@dataclass(frozen=True)
class Size:
    """A host's size as gathered; None where unknown."""

    cores: int | None
    memory: int | None
    free: int | None


def choices(cluster: Cluster | None, spec: PlanSpec | None) -> Choices:
    """Spare hosts and the cluster's own, those of the plan first; regions; verified bundles."""
    rows = plans.selectable_hosts(cluster)
    named = {*spec.masters, *(host for pool in spec.pools for host in pool.hosts)} if spec else set()
    chosen = list(rows.filter(name__in=named))
    others = list(rows.exclude(name__in=named)[: max(HOST_ROWS_LIMIT - len(chosen), 0)])
    masters = set(spec.masters) if spec else set()
    chosen.sort(key=lambda host: (host.name not in masters, host.name))
    return Choices([*chosen, *others], list(Region.objects.all()), bundles.usable_versions())


def size_of(host: Host) -> Size:
    """What the host table says about a host."""
    known = facts.stored(host.facts)
    if known is None:
        return Size(None, None, None)
    return Size(known.cpus, known.memory, known.free_at("/var"))


def new_plan_values() -> dict[str, Any]:
    """An empty form: the usual networks, or the nearest that no other cluster has."""
    usual = Network()
    taken = [network for networks in plans.taken_networks(None).values() for network in networks]
    services = free_network(IPv4Network(usual.service_cidr), taken)
    pods = free_network(IPv4Network(usual.pod_cidr), [*taken, *([services] if services else [])])
    newest = next(iter(bundles.usable_versions()), None)
    return {
        "version": newest.version if newest else "",
        "pod_cidr": str(pods or usual.pod_cidr),
        "service_cidr": str(services or usual.service_cidr),
        "dns_domain": usual.dns_domain,
        "node_ports": usual.node_ports,
        "proxy_mode": usual.proxy_mode,
        "default_class": "none",
        "addons": ["coredns"],
        "runtime": "containerd",
        "window_day": 6,
        "window_start": "02:00",
        "window_hours": 4,
        "window_time_zone": "UTC",
        "pools-0-name": "workers",
    }


def page(cluster: Cluster) -> dict[str, Any]:
    """Revision, verdict, rail and consequences of the newest plan."""
    revision, spec = plans.current_plan(cluster)
    verdict = preflight_verdict(cluster)
    workers = place(spec, plans.spare_hosts(spec.region), plans.pool_places(cluster)).workers
    return {
        "revision": revision,
        "spec": spec,
        "verdict": verdict,
        "panel": panel(verdict),
        "consequences": consequences(spec, list(workers)),
    }
