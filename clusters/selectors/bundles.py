"""Reading release bundles: which are there, which may be planned with, what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clusters.models import Bundle, Cluster


@dataclass(frozen=True)
class Component:
    """One component of a bundle."""

    name: str
    version: str
    licence: str
    kind: str
    size: int
    files: int


@dataclass(frozen=True)
class BundleView:
    """A bundle with what a page shows of it. `clusters`: names of the clusters that run this version."""

    row: Bundle
    components: list[Component]
    clusters: list[str]

    @property
    def contents(self) -> dict[str, Any]:
        """Architecture, suite, key and so on; {} for a refused one."""
        return dict(self.row.components)


def all_bundles() -> list[BundleView]:
    """Every bundle, refused ones first, then newest version first."""
    users: dict[str, list[str]] = {}
    for name, version in Cluster.objects.exclude(version="").values_list("name", "version"):
        users.setdefault(version, []).append(name)
    rows = sorted(Bundle.objects.all(), key=lambda row: version_key(row.version), reverse=True)
    rows.sort(key=lambda row: row.state != Bundle.State.REFUSED)
    return [BundleView(row, _components(row), users.get(row.version, [])) for row in rows]


def _components(row: Bundle) -> list[Component]:
    names: dict[str, dict[str, Any]] = row.components.get("components", {})
    return [Component(name=name, **fields) for name, fields in sorted(names.items())]


def usable_versions() -> list[Bundle]:
    """Verified bundles, newest version first."""
    rows = Bundle.objects.filter(state=Bundle.State.VERIFIED)
    return sorted(rows, key=lambda row: version_key(row.version), reverse=True)


def version_key(version: str) -> tuple[int, ...]:
    """Sorts versions as numbers: 1.34.10 after 1.34.4."""
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))
