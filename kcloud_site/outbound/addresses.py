"""Which network addresses the portal may talk to when somebody else names them. Pure: decides, never
resolves.

The caller resolves a name once, asks `refusal` about every answer and connects to an address that passed,
so a name that answers differently the second time gains nothing. IPv4 hidden in IPv6 (mapped, 6to4,
Teredo, NAT64) is judged as the IPv4 address it leads to.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Cloud metadata services hand out credentials to whoever asks: never, whatever an operator allows.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class AddressRule:
    """What is allowed: `allow_internal` by an operator's word; `known` addresses of hosts enrolled by
    operators; `own_networks` are the networks the portal itself stands in."""

    allow_internal: bool = False
    known: frozenset[Address] = field(default_factory=frozenset)
    own_networks: tuple[Network, ...] = ()


def refusal(address: Address, rule: AddressRule) -> str:
    """Why the address may not be used, as a key ("loopback", "metadata", …), or "" when it may."""
    real = embedded(address)
    if real in METADATA:
        return "metadata"
    if real.is_unspecified or real.is_multicast or (real.is_reserved and not real.is_loopback):
        return "unusable"
    if rule.allow_internal or real in rule.known:
        return ""
    if real.is_loopback:
        return "loopback"
    if real.is_link_local:
        return "link-local"
    if any(real in network for network in rule.own_networks if network.version == real.version):
        return "own-network"
    return ""


def embedded(address: Address) -> Address:
    """The IPv4 address an IPv6 one leads to, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
