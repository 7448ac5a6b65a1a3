"""The door for callers: build these versions with this machine's tools, places and keys.

Everything else of the package takes its places and tools as arguments; here they are looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from clusters.bundle import catalogue, debian, golang, locations, releases, signing
from clusters.bundle.builder import Builder, Target
from clusters.bundle.components import Workshop
from clusters.bundle.process import Processes
from clusters.bundle.progress import Progress
from clusters.bundle.store import Store


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What the operator asked for. `release_urls` is None for building from source."""

    versions: Sequence[str]
    release_urls: Sequence[str] | None = None
    keep_cache: bool = False


def build(request: BuildRequest, *, now: datetime, progress: Progress | None = None) -> list[Path]:
    """Build and sign the bundles; answers their directories. Raises BundleError in its kinds."""
    versions = [catalogue.known_version(version) for version in request.versions]
    progress = progress or Progress()
    processes = Processes()
    cache = locations.cache_root()
    cache.mkdir(parents=True, exist_ok=True)
    release = debian.this_release()
    toolchain = golang.find_toolchain()
    progress.say(
        f"Go: {toolchain.path} ({toolchain.version}); packages: Debian {release.suite} {release.arch}"
    )
    workshop = Workshop(
        go=golang.GoBuilder(toolchain, cache, processes, release.arch),
        apt=debian.Apt(cache / "apt", processes),
        release=release,
        processes=processes,
        downloads=cache / "downloads",
        addresses=None
        if request.release_urls is None
        else releases.parse_addresses(list(request.release_urls)),
    )
    builder = Builder(
        store=Store(locations.store_root()),
        bundles=locations.bundles_root(),
        cache=cache,
        key=signing.operator_key(),
        processes=processes,
        progress=progress,
        target=Target("linux", release.arch, release.suite),
        keep_cache=request.keep_cache,
    )
    try:
        return builder.build(
            {version: workshop.components(version) for version in versions},
            created_at=now.isoformat(timespec="seconds"),
        )
    finally:
        processes.stop()
