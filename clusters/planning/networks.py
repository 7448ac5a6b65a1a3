"""IPv4 networks of a cluster: what is valid, what overlaps, what is still free. Pure.

`free_network` answers the nearest network of the wanted size that overlaps nothing taken, first upwards
from the wanted one within its private range, then from the start of each range; None when there is none.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

# RFC 1918, and RFC 6598 (carrier-grade NAT), which many sites use for pods since nothing else does.
PRIVATE = tuple(
    IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
NODE_PREFIX = 24


def read_network(text: str) -> IPv4Network:
    """The network in `text`; ValueError when it is none, or has host bits set."""
    if not text.isascii() or "/" not in text:
        raise ValueError(text)
    return IPv4Network(text)


def private_range(network: IPv4Network) -> IPv4Network | None:
    """The private range that holds `network`; None when it reaches outside."""
    return next((range_ for range_ in PRIVATE if network.subnet_of(range_)), None)


def rooms_for_nodes(pod_network: IPv4Network) -> int:
    """How many nodes with a /24 of pods each fit."""
    return 1 << (NODE_PREFIX - pod_network.prefixlen) if pod_network.prefixlen <= NODE_PREFIX else 0


def prefix_for_nodes(nodes: int) -> int:
    """The longest prefix (the smallest network) with a /24 for each of `nodes`."""
    return NODE_PREFIX - max(nodes - 1, 0).bit_length()


def overlapping(network: IPv4Network, others: Iterable[IPv4Network]) -> IPv4Network | None:
    """The first of `others` that shares an address with `network`."""
    return next((other for other in others if network.overlaps(other)), None)


def free_network(wanted: IPv4Network, taken: Iterable[IPv4Network]) -> IPv4Network | None:
    """The nearest private network of the size of `wanted` that overlaps none of `taken`."""
    barred = sorted(set(taken), key=lambda network: (network.network_address, network.prefixlen))
    home = private_range(wanted)
    places = [(home, wanted.network_address)] if home else []
    places += [(range_, range_.network_address) for range_ in (home, *PRIVATE) if range_]
    for range_, start in places:
        found = _first_free(range_, start, wanted.prefixlen, barred)
        if found:
            return found
    return None


def _first_free(
    range_: IPv4Network, start: IPv4Address, prefix: int, barred: list[IPv4Network]
) -> IPv4Network | None:
    if prefix < range_.prefixlen:
        return None
    size = 1 << (32 - prefix)
    at, end = int(start), int(range_.broadcast_address)
    while at + size - 1 <= end:
        candidate = IPv4Network((at, prefix))
        hit = overlapping(candidate, barred)
        if hit is None:
            return candidate
        # Past the end of what is in the way, up to the next place where a network of this size may begin.
        beyond = max(int(hit.broadcast_address), int(candidate.broadcast_address)) + 1
        at = (beyond + size - 1) // size * size
    return None
