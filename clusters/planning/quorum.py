"""How many masters must agree, and what losing a host or a region would do. Pure arithmetic.

etcd needs a majority of its members: n // 2 + 1. So a second master adds no safety (2 need 2), a fourth
none over three. `loss_of` answers for any set of hosts at once, which is what a region is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


def quorum(members: int) -> int:
    """The majority of `members`."""
    return members // 2 + 1


def tolerated(members: int) -> int:
    """How many of `members` may be lost while the rest is still a majority."""
    return members - quorum(members) if members > 0 else 0


@dataclass(frozen=True)
class Loss:
    """What is left when some hosts are gone. `control_plane`: whether the API server and the store go on."""

    what: str
    masters_lost: int
    masters_left: int
    workers_lost: int
    workers_left: int
    control_plane: bool

    @property
    def applications(self) -> bool:
        """Whether any worker is left to run pods."""
        return self.workers_left > 0


def loss_of(what: str, gone: Collection[str], masters: Sequence[str], workers: Sequence[str]) -> Loss:
    """What losing the hosts in `gone` at once would do to a cluster of `masters` and `workers`."""
    masters_lost = sum(1 for name in masters if name in gone)
    workers_lost = sum(1 for name in workers if name in gone)
    masters_left = len(masters) - masters_lost
    return Loss(
        what=what,
        masters_lost=masters_lost,
        masters_left=masters_left,
        workers_lost=workers_lost,
        workers_left=len(workers) - workers_lost,
        control_plane=masters_left >= quorum(len(masters)),
    )


def worst_host_loss(masters: Sequence[str], workers: Sequence[str]) -> Loss:
    """The worst that losing any one host does: a master first, since it can stop the whole cluster."""
    each = [loss_of(name, {name}, masters, workers) for name in [*masters, *workers]]
    return min(each, key=lambda loss: (loss.control_plane, loss.applications))


def region_losses(regions: Mapping[str, str], masters: Sequence[str], workers: Sequence[str]) -> list[Loss]:
    """What losing each region would do; `regions` says where each host stands. By region name."""
    names = sorted({regions[host] for host in [*masters, *workers] if host in regions})
    return [
        loss_of(name, {host for host in regions if regions[host] == name}, masters, workers) for name in names
    ]
