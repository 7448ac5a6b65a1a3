"""Whether the lines of a cluster's pods go to a store, and whether they arrive there.

Another app keeps the store: it says so once (`know`), and is asked for the address nodes are told and for the shippers
heard of. Which clusters ship is remembered with their secrets: the password that was brought to the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from clusters.deploying import log_store
from clusters.deploying.log_store import LogStoreAddress
from clusters.models import Cluster, ClusterSecret

SECRET = "log-shipper.password"  # noqa: S105 # its name
# The store's answer: when each node of the cluster was last heard of. None: the store did not answer.
Heard = Callable[[str], dict[str, datetime] | None]


@dataclass(frozen=True)
class Keeper:
    """`address`: what nodes are told, None while there is no store they reach. `heard`: by the cluster's name."""

    address: Callable[[], LogStoreAddress | None]
    heard: Heard


@dataclass(frozen=True)
class Shipping:
    """`silent`: nodes whose shipper was not heard of lately. `answers`: whether the store did."""

    total: int
    silent: tuple[str, ...] = ()
    answers: bool = True

    @property
    def is_well(self) -> bool:
        return self.answers and not self.silent

    @property
    def heard(self) -> int:
        return self.total - len(self.silent)


_KEEPERS: list[Keeper] = []


def know(keeper: Keeper) -> None:
    """Have clusters ship to this store, instead of the one known before."""
    _KEEPERS[:] = [keeper]


def address() -> LogStoreAddress | None:
    """What nodes are told now."""
    return next((found for keeper in _KEEPERS if (found := keeper.address())), None)


def ships(cluster: Cluster) -> bool:
    """Whether the newest deployment put shippers on the cluster's nodes."""
    return ClusterSecret.objects.filter(cluster=cluster, name=SECRET).exists()


def silent(cluster: str, nodes: Sequence[str]) -> tuple[str, ...] | None:
    """Those not heard of lately; None when the store does not answer."""
    heard = next((keeper.heard(cluster) for keeper in _KEEPERS), None)
    return None if heard is None else tuple(log_store.silent(list(nodes), heard, timezone.now()))


def shipping(cluster: Cluster, nodes: Sequence[str]) -> Shipping | None:
    """How shipping goes for these nodes; None for a cluster that does not ship."""
    if not ships(cluster):
        return None
    found = silent(cluster.name, nodes)
    return Shipping(len(nodes), found or (), answers=found is not None)
