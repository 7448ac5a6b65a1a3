"""The network rules of a plan: pod and service networks, DNS domain, node ports, proxy mode. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from clusters.planning.names import is_label, shown, unknown_choice
from clusters.planning.networks import (
    free_network,
    prefix_for_nodes,
    private_range,
    read_network,
    rooms_for_nodes,
)
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

if TYPE_CHECKING:
    from clusters.planning.plan import Network

_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
PROXY_MODES = ("iptables", "nftables")
# Ports of the components themselves: a node port range must not hold them.
COMPONENT_PORTS = (2379, 2380, 2381, 6443, 10248, 10249, 10250, 10256, 10257, 10259)


def network_problems(network: Network, nodes: int) -> Iterator[Problem]:
    pods = _read("network.pod_cidr", network.pod_cidr)
    services = _read("network.service_cidr", network.service_cidr)
    for found in (pods, services):
        if isinstance(found, Problem):
            yield found
    if isinstance(pods, IPv4Network):
        taken = [services] if isinstance(services, IPv4Network) else []
        yield from _pod_network(pods, taken, nodes)
    if isinstance(services, IPv4Network) and not 12 <= services.prefixlen <= 24:
        yield Problem(
            "network.service_cidr",
            "size",
            _("A service network has between /12 and /24 addresses, not /%(prefix)s."),
            _("Use a /16: room for 65 536 services."),
            {"prefix": services.prefixlen},
        )
    if not _is_domain(network.dns_domain):
        yield Problem(
            "network.dns_domain",
            "domain",
            _("“%(domain)s” is not a DNS domain."),
            _("Use lower case labels joined by dots, as in cluster.local."),
            {"domain": shown(network.dns_domain)},
        )
    yield from _node_ports(network.node_ports)
    yield from _proxy_mode(network.proxy_mode)


def _read(path: str, text: str) -> IPv4Network | Problem:
    try:
        network = read_network(text)
    except ValueError:
        return Problem(path, "network", *_not_a_network(text))
    if private_range(network) is None:
        return Problem(
            path,
            "public",
            _("%(network)s is not inside a private range, so real addresses would be out of reach."),
            _("Use a network inside 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or 100.64.0.0/10."),
            {"network": str(network)},
        )
    return network


def _not_a_network(text: str) -> tuple[str, str, dict[str, str | int]]:
    try:
        meant = IPv4Network(text, strict=False) if text.isascii() and "/" in text else None
    except ValueError:
        meant = None
    if meant is None:
        return (
            _("“%(text)s” is not an IPv4 network."),
            _("Write an address and a prefix, as in 10.244.0.0/16."),
            {"text": shown(text)},
        )
    return (
        _("“%(text)s” is an address inside a network, not a network."),
        _("Did you mean %(meant)s?"),
        {"text": shown(text), "meant": str(meant)},
    )


def _pod_network(pods: IPv4Network, services: list[IPv4Network], nodes: int) -> Iterator[Problem]:
    rooms = rooms_for_nodes(pods)
    if rooms < nodes:
        yield Problem(
            "network.pod_cidr",
            "size",
            _("%(network)s has room for %(rooms)s nodes with a /24 each; the plan has %(nodes)s."),
            _("Use a /%(prefix)s or larger."),
            {"network": str(pods), "rooms": rooms, "nodes": nodes, "prefix": prefix_for_nodes(nodes)},
        )
    if services and pods.overlaps(services[0]):
        yield _overlap(pods, services[0])


def _overlap(pods: IPv4Network, services: IPv4Network) -> Problem:
    free = free_network(pods, [services])
    facts: dict[str, str | int] = {"pods": str(pods), "services": str(services), "free": str(free or "")}
    if services.subnet_of(pods):
        text = _("%(pods)s contains the service network %(services)s.")
    else:
        text = _("%(pods)s lies inside the service network %(services)s.")
    fix = (
        _("Free here: %(free)s.")
        if free
        else _("No private network of this size is free: use a smaller one.")
    )
    return Problem("network.pod_cidr", "overlap", text, fix, facts)


def _is_domain(text: str) -> bool:
    return 0 < len(text) <= 100 and all(is_label(label) for label in text.split("."))


def _node_ports(text: str) -> Iterator[Problem]:
    found = _PORTS.fullmatch(text)
    low, high = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1024 <= low < high <= 65535:
        yield Problem(
            "network.node_ports",
            "ports",
            _("“%(text)s” is not a range of node ports."),
            _("Write two ports between 1024 and 65535, the lower first, as in 30000-32767."),
            {"text": shown(text)},
        )
        return
    held = [port for port in COMPONENT_PORTS if low <= port <= high]
    if held:
        yield Problem(
            "network.node_ports",
            "ports",
            _("%(text)s holds ports that Kubernetes itself listens on: %(ports)s."),
            _("Use 30000-32767, the usual range."),
            {"text": text, "ports": ", ".join(map(str, held))},
        )


def _proxy_mode(mode: str) -> Iterator[Problem]:
    if mode == "ipvs":
        yield Problem(
            "network.proxy_mode",
            "unsupported",
            _("IPVS is not supported: Kubernetes is retiring it, and many kernels come without it."),
            _("Choose iptables, or nftables for thousands of services."),
        )
    elif mode not in PROXY_MODES:
        yield unknown_choice("network.proxy_mode", mode, PROXY_MODES)
