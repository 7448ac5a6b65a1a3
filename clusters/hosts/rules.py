"""What a host may be called and where it may stand. Pure; Problems are translated by whoever shows them."""

from __future__ import annotations

import ipaddress

from clusters.planning.names import is_label, shown
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

# Words that are pages of their own under /hosts/.
RESERVED_NAMES = frozenset({"new", "import"})
SSH_PORT = 22


def name_problem(name: str) -> Problem | None:
    """Why this cannot be the name of a host, or None."""
    if not is_label(name):
        return Problem(
            "name",
            "name",
            _("“%(name)s” cannot be the name of a host."),
            _("Use 1 to 63 lower case letters, digits and hyphens; a letter or digit first and last."),
            {"name": shown(name)},
        )
    if name in RESERVED_NAMES:
        return Problem(
            "name",
            "reserved",
            _("“%(name)s” is a page of the console."),
            _("Choose another name."),
            {"name": name},
        )
    return None


def address_problem(address: str) -> Problem | None:
    """Why no host can have this address, or None. An IPv4 address, not a name: names can be made to lead astray."""
    try:
        parsed = ipaddress.IPv4Address(address)
    except ValueError:
        return Problem(
            "address",
            "address",
            _("“%(address)s” is not an IPv4 address."),
            _("Give four numbers like 10.0.0.5."),
            {"address": shown(address)},
        )
    if parsed.is_multicast or parsed.is_unspecified or parsed.is_link_local or parsed.is_reserved:
        return Problem(
            "address",
            "address-kind",
            _("%(address)s cannot be the address of a host."),
            _("Give the address other machines reach it by."),
            {"address": address},
        )
    return None


def port_problem(port: str | int) -> Problem | None:
    """Why this is no port, or None. Text must be plain digits."""
    text = str(port)
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65535:
        return None
    return Problem(
        "ssh_port",
        "port",
        _("“%(port)s” is not a port."),
        _("Give a number from 1 to 65535; SSH usually listens on 22."),
        {"port": shown(text)},
    )
