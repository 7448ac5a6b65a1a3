"""Asks the portal's own witnesses whether it still reaches anybody: by TCP, without privileges.

Contract: `ask` takes no longer than SECONDS, whatever is silent. Any word counts: a connection, a refusal. Nothing is
sent and nothing that is read is believed. Errors do not leak: what cannot be asked is silent.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clusters.healing.own_network import Witness, gateway

SECONDS = 1.0
_ROUTES = Path("/proc/net/route")


def default_gateway() -> list[Witness]:
    """Of this machine, by its routes; empty when it has none or does not say."""
    try:
        address = gateway(_ROUTES.read_text())
    except (OSError, ValueError):
        return []
    return [Witness(address)] if address else []


def ask(witnesses: Iterable[Witness]) -> Mapping[Witness, bool]:
    """Whether each one answered, all at once."""
    wanted = list(witnesses)
    if not wanted:
        return {}
    with ThreadPoolExecutor(max_workers=min(8, len(wanted))) as pool:
        return dict(zip(wanted, pool.map(_answers, wanted), strict=True))


def _answers(witness: Witness) -> bool:
    try:
        with socket.create_connection((witness.address, witness.port), SECONDS):
            return True
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
