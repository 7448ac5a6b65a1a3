"""Builds bundles: finds what is missing, says what it needs, makes it, and puts each version's directory together.

Two lanes work side by side: one compiles, one waits for the network. A finished component is in the store for good,
so an interrupted build continues; a bundle's directory appears whole or not at all. Raises BundleError in its kinds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clusters.bundle import golang, manifest, preflight, signing
from clusters.bundle.components import Component
from clusters.bundle.errors import BuildStopped, BundleError
from clusters.bundle.manifest import Manifest, ManifestFile
from clusters.bundle.process import Processes
from clusters.bundle.progress import Progress
from clusters.bundle.store import Entry, Store
from clusters.bundle.verification import verify


@dataclass(frozen=True, slots=True)
class Target:
    """What nodes the bundle is for."""

    os: str
    arch: str
    suite: str


@dataclass(frozen=True, slots=True)
class Builder:
    """One build. `cache` holds the compiler's caches, `bundles` the finished directories beside the store."""

    store: Store
    bundles: Path
    cache: Path
    key: Ed25519PrivateKey
    processes: Processes
    progress: Progress
    target: Target
    keep_cache: bool = False

    def build(self, wanted: dict[str, Sequence[Component]], *, created_at: str) -> list[Path]:
        """Make a bundle for each version in `wanted` from its components; answers their directories."""
        with self.store.locked():
            self._clear_half_made()
            found = self._found(wanted)
            self._announce(_distinct(wanted), found)
            entries = self._make_missing(_distinct(wanted), found)
            made = [
                self._assemble(version, [entries[component.key] for component in components], created_at)
                for version, components in wanted.items()
            ]
            self.store.prune(set(entries))
        if not self.keep_cache:
            golang.clear_caches(self.cache)
        return made

    def _found(self, wanted: dict[str, Sequence[Component]]) -> dict[str, Entry]:
        found = {}
        for component in _distinct(wanted):
            entry = self.store.find(component.key)
            if entry:
                found[component.key] = entry
                self.progress.done(component.name, reused=True)
        return found

    def _announce(self, components: list[Component], found: dict[str, Entry]) -> None:
        missing = [component.cost for component in components if component.key not in found]
        need = preflight.estimate(missing, cpus=os.cpu_count() or 1, keep_cache=self.keep_cache)
        store, cache = _disk(self.store.root), _disk(self.cache)
        self.progress.say(preflight.announcement(need, free=store.free, keep_cache=self.keep_cache))
        preflight.refuse_full_disk(need, store=store, cache=cache)

    def _make_missing(self, components: list[Component], found: dict[str, Entry]) -> dict[str, Entry]:
        missing = [component for component in components if component.key not in found]
        lanes = {False: ThreadPoolExecutor(1), True: ThreadPoolExecutor(1)}
        futures: dict[str, Future[Entry]] = {}
        try:
            for component in missing:
                futures[component.key] = lanes[component.fetches].submit(self._make, component)
            wait(futures.values(), return_when=FIRST_EXCEPTION)
            _raise_first(futures.values())
        except BaseException:
            self.processes.stop()
            raise
        finally:
            for lane in lanes.values():
                lane.shutdown(cancel_futures=True)
        return found | {key: future.result() for key, future in futures.items()}

    def _make(self, component: Component) -> Entry:
        self.processes.refuse_if_stopped(component.name)
        self.progress.start(component.name, component.cost.seconds)

        def advance(share: float) -> None:
            self.progress.advance(component.name, share)

        try:
            entry = self.store.make(component.key, lambda work: component.make(work, advance))
        except BaseException:
            # At once, in this thread: the next component of the lane must not start.
            self.processes.stop()
            self.progress.failed(component.name)
            raise
        self.progress.done(component.name)
        return entry

    def _assemble(self, version: str, entries: list[Entry], created_at: str) -> Path:
        files = tuple(sorted(file for entry in entries for file in entry.files))
        final = self.bundles / version
        if self._is_current(final, entries, files):
            self.progress.say(f"bundle {version}: unchanged")
            return final
        draft = self.bundles / f".new-{version}"
        for entry in entries:
            self.store.link(entry, draft)
        raw = manifest.encode(
            Manifest(
                kubernetes_version=version,
                created_at=created_at,
                os=self.target.os,
                arch=self.target.arch,
                suite=self.target.suite,
                files=files,
            )
        )
        (draft / manifest.MANIFEST).write_bytes(raw)
        (draft / manifest.SIGNATURE).write_bytes(signing.sign(raw, self.key))
        _swap(draft, final)
        self.progress.say(f"bundle {version}: {final}")
        return final

    def _is_current(self, directory: Path, entries: list[Entry], files: tuple[ManifestFile, ...]) -> bool:
        # What is one file with the store's was read a moment ago, when the entry was found.
        shared = all(
            (directory / file.path).exists() and (directory / file.path).samefile(entry.directory / file.path)
            for entry in entries
            for file in entry.files
        )
        try:
            return verify(directory, [self.key.public_key()], deep=not shared).manifest.files == files
        except BundleError:
            return False

    def _clear_half_made(self) -> None:
        self.bundles.mkdir(parents=True, exist_ok=True)
        for draft in self.bundles.glob(".new-*"):
            shutil.rmtree(draft)
        for old in self.bundles.glob(".old-*"):
            final = self.bundles / old.name.removeprefix(".old-")
            if final.exists():
                shutil.rmtree(old)
            else:
                old.rename(final)


def _disk(folder: Path) -> preflight.Disk:
    return preflight.Disk(folder.stat().st_dev, shutil.disk_usage(folder).free, str(folder))


def _distinct(wanted: dict[str, Sequence[Component]]) -> list[Component]:
    by_key = {component.key: component for components in wanted.values() for component in components}
    return list(by_key.values())


def _raise_first(futures: Iterable[Future[Entry]]) -> None:
    """Raise the reason of a failure rather than what was given up because of it."""
    errors = [error for future in futures if future.done() and (error := future.exception())]
    for error in sorted(errors, key=lambda error: isinstance(error, BuildStopped)):
        raise error


def _swap(draft: Path, final: Path) -> None:
    """Put `draft` in the place of `final`. Killed between the renames, the next build puts the old one back."""
    old = final.with_name(f".old-{final.name}")
    if final.exists():
        final.rename(old)
    draft.rename(final)
    shutil.rmtree(old, ignore_errors=True)
