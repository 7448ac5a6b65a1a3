"""The store of finished components: each once, shared by all bundles through hard links.

A component lies under a key made from everything that decides its bytes (its recipe). It is made in a work folder
and renamed into place whole, so a killed build leaves either the entry or nothing, and the next run continues
with what is missing. Entries are read-only, and checked byte by byte before they are used again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from clusters.bundle.errors import BuildBusy
from clusters.bundle.manifest import ManifestFile
from clusters.bundle.verification import sha256_of

_ENTRY = "entry.json"
_WORK = ".work-"


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a component's maker has put at `path` of its work folder; also its place in the bundle."""

    path: str
    kind: str
    component: str
    version: str
    licence: str
    source: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A finished component: where it lies and its rows for the manifest."""

    directory: Path
    files: tuple[ManifestFile, ...]


def key_of(recipe: Mapping[str, str]) -> str:
    """The key of what is made by this recipe."""
    name = recipe["component"]
    digest = hashlib.sha256(json.dumps(dict(recipe), sort_keys=True).encode()).hexdigest()
    return f"{name}-{digest[:24]}"


class Store:
    """The entries below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for one build; the kernel lets go when the process ends, however it ends."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BuildBusy(str(self.root)) from error
            self._clear_work()
            yield

    def find(self, key: str) -> Entry | None:
        """The entry of that key if it is there and undamaged; a damaged one is thrown away."""
        directory = self.root / key
        try:
            rows = json.loads((directory / _ENTRY).read_text())
            entry = Entry(directory, tuple(ManifestFile(**row) for row in rows))
        except (OSError, ValueError, TypeError):
            shutil.rmtree(directory, ignore_errors=True)
            return None
        if all(_intact(directory, file) for file in entry.files):
            return entry
        shutil.rmtree(directory)
        return None

    def has(self, key: str) -> bool:
        """Whether there is an entry of that key, unread."""
        return (self.root / key / _ENTRY).is_file()

    def make(self, key: str, maker: Callable[[Path], list[Artifact]]) -> Entry:
        """Let `maker` fill a work folder, then put it into place. What the maker raises passes; nothing stays."""
        work = self.root / f"{_WORK}{key}"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            files = tuple(sorted(_row(work, artifact) for artifact in maker(work)))
            (work / _ENTRY).write_text(json.dumps([asdict(file) for file in files], indent=1))
            shutil.rmtree(self.root / key, ignore_errors=True)
            work.rename(self.root / key)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        return Entry(self.root / key, files)

    def link(self, entry: Entry, directory: Path) -> None:
        """Put the entry's files into `directory`: hard links, or copies where the file system has none."""
        for file in entry.files:
            target = directory / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(entry.directory / file.path, target)
            except OSError:
                shutil.copy2(entry.directory / file.path, target)

    def prune(self, keep: set[str]) -> list[str]:
        """Remove entries that no bundle uses and that are not in `keep`; answers their keys."""
        gone = []
        for directory in sorted(self.root.iterdir()):
            if directory.is_dir() and directory.name not in keep and not _linked(directory):
                shutil.rmtree(directory)
                gone.append(directory.name)
        return gone

    def _clear_work(self) -> None:
        for directory in self.root.glob(f"{_WORK}*"):
            shutil.rmtree(directory)


def _linked(directory: Path) -> bool:
    return any(path.stat().st_nlink > 1 for path in directory.rglob("*") if path.is_file())


def _intact(directory: Path, file: ManifestFile) -> bool:
    path = directory / file.path
    return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256


def _row(work: Path, artifact: Artifact) -> ManifestFile:
    path = work / artifact.path
    path.chmod(0o555 if artifact.kind == "binary" else 0o444)
    return ManifestFile(size=path.stat().st_size, sha256=sha256_of(path), **asdict(artifact))
