"""The bundles that are here, with the state of each signature. Reads manifests, not contents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clusters.bundle.errors import BundleError
from clusters.bundle.manifest import Manifest
from clusters.bundle.verification import verify


@dataclass(frozen=True, slots=True)
class BundleRow:
    """One bundle. `problem` is empty when the signature is a trusted key's and no file is missing or too many."""

    version: str
    directory: Path
    size: int
    components: tuple[str, ...]
    created_at: str
    problem: str


def bundles(root: Path, keys: Sequence[Ed25519PublicKey]) -> list[BundleRow]:
    """All bundles below `root`, newest version first. A bundle that is not in order is listed with its problem."""
    if not root.is_dir():
        return []
    versions = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [_row(path, keys) for path in sorted(versions, key=_version_order, reverse=True)]


def components_of(manifest: Manifest) -> tuple[str, ...]:
    """Component and version of everything that is not a Debian package, and how many packages there are."""
    named = {
        f"{file.component} {file.version}" for file in manifest.files if file.kind in ("binary", "image")
    }
    packages = sum(file.kind == "package" for file in manifest.files)
    return (*sorted(named), f"{packages} packages ({manifest.suite} {manifest.arch})")


def _row(directory: Path, keys: Sequence[Ed25519PublicKey]) -> BundleRow:
    try:
        manifest = verify(directory, keys, deep=False).manifest
    except BundleError as error:
        return BundleRow(directory.name, directory, 0, (), "", str(error))
    return BundleRow(
        version=manifest.kubernetes_version,
        directory=directory,
        size=manifest.size,
        components=components_of(manifest),
        created_at=manifest.created_at,
        problem="",
    )


def _version_order(path: Path) -> tuple[tuple[int, int | str], ...]:
    return tuple((1, int(part)) if part.isdigit() else (0, part) for part in path.name.split("."))
