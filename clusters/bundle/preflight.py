"""Says what a build needs before it starts, and refuses one that would fill the disk. Pure.

Sizes in bytes, times in seconds. Times are for two cores and scaled to the cores there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clusters.bundle.catalogue import Cost
from clusters.bundle.errors import NotEnoughDisk

# A disk filled to the last byte breaks more than the build: keep this share of the need on top.
MARGIN = 0.1


@dataclass(frozen=True, slots=True)
class Estimate:
    """`store` and `scratch` are needed while building, for results and caches; `stays` is left of both afterwards."""

    store: int
    scratch: int
    stays: int
    seconds: int

    @property
    def peak(self) -> int:
        """The disk needed while building."""
        return self.store + self.scratch


def estimate(missing: Iterable[Cost], *, cpus: int, keep_cache: bool) -> Estimate:
    """What it takes to make the missing components."""
    costs = list(missing)
    stays = sum(cost.stays for cost in costs)
    scratch = sum(cost.scratch for cost in costs)
    seconds = sum(cost.seconds for cost in costs) * 2 / max(1, min(cpus, 16))
    return Estimate(
        store=round(stays * (1 + MARGIN)),
        scratch=round(scratch * (1 + MARGIN)),
        stays=stays + scratch if keep_cache else stays,
        seconds=round(seconds),
    )


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system: `device` tells it from others, `free` in bytes, `where` is the folder that is on it."""

    device: int
    free: int
    where: str


def refuse_full_disk(need: Estimate, *, store: Disk, cache: Disk) -> None:
    """Raise NotEnoughDisk when the build does not fit: results and caches may lie on one file system or on two."""
    one_disk, two_disks = [(need.peak, store)], [(need.store, store), (need.scratch, cache)]
    checks = one_disk if store.device == cache.device else two_disks
    for needed, disk in checks:
        if needed > disk.free:
            raise NotEnoughDisk(needed=size_text(needed), free=size_text(disk.free), where=disk.where)


def announcement(need: Estimate, *, free: int, keep_cache: bool) -> str:
    """The line that is shown before a build starts."""
    if need.peak == 0:
        return "All components are in the store: nothing to build or download."
    after = " (compiler cache included)" if keep_cache else ""
    return (
        f"Needs {size_text(need.peak)} of disk while it builds, {size_text(need.stays)} of it stay{after}; "
        f"about {duration_text(need.seconds)}. Free: {size_text(free)}."
    )


def size_text(size: int) -> str:
    """A size for people: decimal units, as disks are sold."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}" if unit in ("B", "kB") or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def duration_text(seconds: float) -> str:
    """A duration for people: 45 s, 5 min, 1 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
