"""Debian packages with all they depend on, from this machine's own package sources, as a local apt repository.

Nodes are installed from the repository by apt and not by a list of files: the closure holds alternatives that
exclude each other (libsystemd0 and libelogind0), and apt picks what fits the node.
Raises ComponentFailed: not Debian, a package unknown, the mirror out of reach, a checksum wrong.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.bundle.errors import ComponentFailed
from clusters.bundle.process import Processes
from clusters.bundle.store import Artifact
from clusters.bundle.verification import sha256_of

COMPONENT = "packages"
_NO_CHOICES = [
    f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
]
_URI_LINE = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$")
_REMEDY = (
    "See whether the package sources in /etc/apt can be reached (apt-get update), then run the build again: "
    "packages that are already here are kept."
)
# Debian's short names of licences that have another name in SPDX.
_SPDX = {
    "apache-2": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "bsl-1.0": "BSL-1.0",
    "expat": "MIT",
    "gpl-1+": "GPL-1.0-or-later",
    "gpl-2": "GPL-2.0-only",
    "gpl-2.0": "GPL-2.0-only",
    "gpl-2+": "GPL-2.0-or-later",
    "gpl-2.0+": "GPL-2.0-or-later",
    "gpl-3": "GPL-3.0-only",
    "gpl-3+": "GPL-3.0-or-later",
    "isc": "ISC",
    "lgpl-2": "LGPL-2.0-only",
    "lgpl-2+": "LGPL-2.0-or-later",
    "lgpl-2.1": "LGPL-2.1-only",
    "lgpl-2.1+": "LGPL-2.1-or-later",
    "lgpl-3": "LGPL-3.0-only",
    "lgpl-3+": "LGPL-3.0-or-later",
    "mit": "MIT",
    "mpl-2.0": "MPL-2.0",
    "zlib": "Zlib",
}


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package file as the sources offer it; `file` is apt's name for it."""

    file: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The package's name."""
        return self.file.split("_")[0]

    @property
    def version(self) -> str:
        """The package's version, with its epoch."""
        return self.file.split("_")[1].replace("%3a", ":")

    @property
    def plain_file(self) -> str:
        """The file's name as Debian's own archive writes it: without the epoch, whose colon needs quoting."""
        return re.sub(r"_\d+%3a", "_", self.file)


@dataclass(frozen=True, slots=True)
class Release:
    """The Debian release and architecture that packages are taken from, and so are for."""

    suite: str
    arch: str

    @property
    def folder(self) -> str:
        """The folder of the repository inside the bundle."""
        return f"debs/{self.suite}-{self.arch}"


def this_release() -> Release:
    """The release this machine runs."""
    try:
        system = platform.freedesktop_os_release()
        arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ComponentFailed(
            COMPONENT,
            "this machine is not Debian, so it has no sources for node packages.",
            "Build the bundle on a Debian machine of the release that your nodes run.",
        ) from error
    return Release(system.get("VERSION_CODENAME", "unknown"), arch.stdout.strip())


def parse_closure(output: str) -> list[str]:
    """Package names in the output of apt-cache depends: no virtual ones, no other architectures. Pure."""
    return sorted({line for line in output.splitlines() if re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", line)})


def parse_uris(output: str) -> list[Package]:
    """Packages in the output of apt-get download --print-uris. Pure."""
    found = (_URI_LINE.match(line) for line in output.splitlines())
    return sorted({Package(line["file"], int(line["size"]), line["sha256"]) for line in found if line})


def spdx_of(copyright_text: str) -> str:
    """The licences of a Debian copyright file as one SPDX expression. Pure."""
    names: set[str] = set()
    for line in re.findall(r"^License:[ \t]*(\S[^\n]*)$", copyright_text, re.MULTILINE):
        for name in re.split(r",?\s+(?:and|or)\s+|,\s*", line.strip(), flags=re.IGNORECASE):
            known = _SPDX.get(name.lower())
            names.add(known or "LicenseRef-Debian-" + re.sub(r"[^A-Za-z0-9.-]+", "-", name).strip("-"))
    names.discard("LicenseRef-Debian-")
    return " AND ".join(sorted(names)) or "LicenseRef-Debian-copyright"


class Apt:
    """Resolves and downloads packages with this machine's apt; `state` is for package lists of our own."""

    def __init__(self, state: Path, processes: Processes) -> None:
        self._state = state
        self._processes = processes
        self._options = ["-o", "APT::Sandbox::User=root"]
        self._resolved: dict[tuple[str, ...], list[Package]] = {}

    def resolve(self, roots: Sequence[str]) -> list[Package]:
        """The newest version of `roots` and all they depend on; fetches package lists when there are none.

        Asked again, the answer is the same: the bundles of one build hold the same packages.
        """
        known = self._resolved.get(tuple(roots))
        if known is None:
            try:
                known = self._resolve(roots)
            except ComponentFailed:
                self.refresh()
                known = self._resolve(roots)
            self._resolved[tuple(roots)] = known
        return known

    def exactly(self, names: Sequence[str]) -> list[Package]:
        """The newest version of these packages and of no other."""
        asked = ("exactly", *names)
        if asked not in self._resolved:
            try:
                self._resolved[asked] = self._offered(names, names)
            except ComponentFailed:
                self.refresh()
                self._resolved[asked] = self._offered(names, names)
        return self._resolved[asked]

    def refresh(self) -> None:
        """Fetch package lists into a state of our own: needs no root and touches nothing of the system's."""
        lists, cache, archives = (
            self._state / "lists",
            self._state / "cache",
            self._state / "cache" / "archives",
        )
        for folder in (lists / "partial", archives / "partial"):
            folder.mkdir(parents=True, exist_ok=True)
        own = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}"]
        self._options = [*self._options[:2], *own]
        self._run(["apt-get", *self._options, "update"])

    def download(
        self, packages: Sequence[Package], folder: Path, on_progress: Callable[[float], None]
    ) -> None:
        """Bring all packages into `folder`. Those already whole are kept, so an interrupted download continues."""
        folder.mkdir(parents=True, exist_ok=True)
        total, have = sum(package.size for package in packages), 0
        missing = []
        for package in packages:
            if _whole(folder / package.file, package):
                have += package.size
            else:
                (folder / package.file).unlink(missing_ok=True)
                missing.append(package)
        while missing:
            some, missing = missing[:8], missing[8:]
            wanted = [f"{package.name}={package.version}" for package in some]
            self._run(["apt-get", *self._options, "-q", "download", *wanted], cwd=folder)
            for package in some:
                if not _whole(folder / package.file, package):
                    raise ComponentFailed(
                        COMPONENT, f"{package.file} is not what the package lists say.", _REMEDY
                    )
                have += package.size
            on_progress(0.9 * have / total)

    def _resolve(self, roots: Sequence[str]) -> list[Package]:
        depends = ["apt-cache", *self._options, "depends", "--recurse", *_NO_CHOICES, *roots]
        return self._offered(parse_closure(self._run(depends)), roots)

    def _offered(self, names: Sequence[str], roots: Sequence[str]) -> list[Package]:
        packages = parse_uris(self._run(["apt-get", *self._options, "download", "--print-uris", *names]))
        lacking = set(roots) - {package.name for package in packages}
        if lacking:
            raise ComponentFailed(COMPONENT, f"no source has {', '.join(sorted(lacking))}.", _REMEDY)
        return packages

    def _run(self, argv: Sequence[str], cwd: Path | None = None) -> str:
        if not shutil.which(argv[0]):
            raise ComponentFailed(
                COMPONENT, f"{argv[0]} is not on this machine.", "Build the bundle on Debian."
            )
        return self._processes.run(COMPONENT, argv, cwd=cwd or Path("/"), remedy=_REMEDY)


def make_repository(
    packages: Sequence[Package], downloads: Path, release: Release, work: Path, processes: Processes
) -> list[Artifact]:
    """Put the packages and a Packages index for apt into `work`."""
    folder = work / release.folder
    folder.mkdir(parents=True)
    stanzas, artifacts = [], []
    for package in packages:
        target = folder / package.plain_file
        shutil.copyfile(downloads / package.file, target)
        control = processes.run(COMPONENT, ["dpkg-deb", "--field", str(target)], cwd=work)
        stanzas.append(
            f"{control.strip()}\nFilename: ./{target.name}\nSize: {package.size}\nSHA256: {package.sha256}\n"
        )
        artifacts.append(
            Artifact(
                path=f"{release.folder}/{target.name}",
                kind="package",
                component=package.name,
                version=package.version,
                licence=spdx_of(_copyright(target, package.name)),
                source=f"{package.name}={package.version}",
            )
        )
    (folder / "Packages").write_text("\n".join(stanzas))
    index = Artifact(
        path=f"{release.folder}/Packages",
        kind="package-index",
        component=COMPONENT,
        version=release.suite,
        licence="CC0-1.0",
        source="made by bundle build",
    )
    return [*artifacts, index]


def _whole(path: Path, package: Package) -> bool:
    return path.is_file() and path.stat().st_size == package.size and sha256_of(path) == package.sha256


def _copyright(archive: Path, name: str) -> str:
    """The package's copyright file; empty when it is a link into another package's folder."""
    wanted = f"./usr/share/doc/{name}/copyright"
    unpacking = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    assert unpacking.stdout
    try:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as contents:
            for member in contents:
                stream = contents.extractfile(member) if member.name == wanted and member.isfile() else None
                if stream:
                    return stream.read().decode(errors="replace")
    finally:
        unpacking.kill()
        unpacking.stdout.close()
        unpacking.wait()
    return ""
