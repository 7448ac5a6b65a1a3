"""Whether the portal's own network is the likelier cause when hosts do not answer. Pure.

The portal asks witnesses that are no cluster's: addresses its administrator configured, else its default gateway. An
answer is any word, a refusal too. Silence of one that never answered says nothing (many gateways drop what is sent to
them); silence of those that did, all at once, says that the portal itself is cut off.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

DEFAULT_PORT = 53
_UP, _GATEWAY = 0x1, 0x2


@dataclass(frozen=True)
class Witness:
    """An address to ask."""

    address: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def is_cut_off(answers: Mapping[Witness, bool], known: Iterable[Witness]) -> bool:
    """`known`: those that answered before. With none of them asked nothing is said."""
    asked = [answers[each] for each in known if each in answers]
    return bool(asked) and not any(asked)


def configured(texts: Iterable[str]) -> list[Witness]:
    """From "10.0.0.1" and "10.0.0.1:443". Raises ValueError, which names the text: names are not looked up, because
    that needs the network that is in doubt."""
    found = []
    for text in filter(None, (each.strip() for each in texts)):
        address, _colon, port = text.partition(":")
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{text}: no port")
        found.append(Witness(str(ipaddress.IPv4Address(address)), int(port or DEFAULT_PORT)))
    return found


def gateway(routes: str) -> str:
    """The default gateway in the text of /proc/net/route; empty when there is none."""
    found = []
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        flags, metric = int(fields[3], 16), int(fields[6])
        if flags & _UP and flags & _GATEWAY:
            address = ipaddress.IPv4Address(bytes.fromhex(fields[2])[::-1])
            found.append((metric, str(address)))
    return min(found)[1] if found else ""
