"""Finds a Go compiler and builds pinned modules with it: static, trimmed, the same bytes for the same inputs.

A build reads go.mod and go.sum as they are (-mod=readonly), so every module is checked against a pinned checksum.
Compiler and module cache are the bundle's own, in the cache folder. Raises GoMissing and ComponentFailed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from clusters.bundle.catalogue import GO_WANTED, GoBuild
from clusters.bundle.errors import GoMissing
from clusters.bundle.process import Processes
from clusters.bundle.store import Artifact

SOURCES = Path(__file__).parent
_LICENCE_FILE = re.compile(r"(licen[cs]e|copying|notice)[^/]*", re.IGNORECASE)
_DEPENDENCY = re.compile(r"^\t(?:dep|=>|mod)\t(\S+)\t(v\S+)", re.MULTILINE)
# Settings of the operator's that would switch checks off or change what is built.
_REFUSED = ("GONOSUMDB", "GONOSUMCHECK", "GOINSECURE", "GOFLAGS", "GOWORK", "GOENV", "GOEXPERIMENT")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Go compiler and its exact version, such as go1.26.8."""

    path: str
    version: str


def find_toolchain(environment: Mapping[str, str] = os.environ) -> Toolchain:
    """The first suitable of: $KCLOUD_GO, an installed Go (PATH, /usr/local/go), the one of this Python environment.

    The Python environment comes last although it may be first on PATH: an installed Go is the operator's choice.
    """
    named = environment.get("KCLOUD_GO")
    seen = []
    for candidate in [named] if named else _candidates(environment.get("PATH", "")):
        version = _version_of(candidate)
        if version and new_enough(version):
            return Toolchain(candidate, version)
        if version:
            seen.append(f"{candidate} is {version}")
    found = "; ".join(seen) or (f"KCLOUD_GO={named} does not run" if named else "none was found")
    raise GoMissing(".".join(map(str, GO_WANTED)), found)


def _candidates(path: str) -> list[str]:
    own = str(Path(sys.prefix) / "bin")
    folders = [folder for folder in path.split(os.pathsep) if folder and folder != own]
    return [
        f"{folder}/go"
        for folder in [*folders, "/usr/local/go/bin", own]
        if os.access(f"{folder}/go", os.X_OK)
    ]


def new_enough(version: str) -> bool:
    """Whether a version like go1.26.8 is at least the wanted one."""
    numbers = re.fullmatch(r"go(\d+)\.(\d+).*", version)
    return bool(numbers) and (int(numbers[1]), int(numbers[2])) >= GO_WANTED  # type: ignore[index]


def recipe(build: GoBuild, toolchain: Toolchain, *, arch: str) -> dict[str, str]:
    """Everything that decides the bytes of this build."""
    folder = SOURCES / build.folder
    sources = sorted(path for path in folder.iterdir() if path.suffix in (".go", ".mod", ".sum"))
    return {
        "source": "modules",
        "version": build.version,
        "packages": " ".join(f"{name}={path}" for name, path in sorted(build.packages.items())),
        "linker_flags": build.linker_flags,
        "go": toolchain.version,
        "arch": arch,
        "sources": " ".join(
            f"{path.name}={hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sources
        ),
    }


def clear_caches(cache: Path) -> None:
    """Throw the compiler's caches away; both can be made again."""
    for folder in ("go-build", "go-modules"):
        shutil.rmtree(cache / folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class GoBuilder:
    """Builds with one toolchain; `cache` is the folder for the compiler's caches."""

    toolchain: Toolchain
    cache: Path
    processes: Processes
    arch: str = "amd64"

    def build(
        self, component: str, build: GoBuild, target: Path, on_progress: Callable[[float], None]
    ) -> None:
        """Put the binaries of `build` into `target`; `on_progress` hears the share that is done, 0 to 1."""
        folder, environment = SOURCES / build.folder, self._environment()
        names = list(build.packages.values())
        go = self.toolchain.path
        listed = self.processes.run(
            component,
            [go, "list", "-deps", *names],
            cwd=folder,
            environment=environment,
            remedy=_MODULES_REMEDY,
        )
        total, seen = len(listed.split()), 0

        def count(line: str) -> None:
            nonlocal seen
            seen += not line.startswith(("go: ", "#"))
            on_progress(min(0.9, 0.9 * seen / total))

        target.mkdir(parents=True, exist_ok=True)
        flags = ["-v", "-trimpath", f"-ldflags={build.linker_flags}"]
        # One command for all that keep their own name; go would call go.etcd.io/etcd/server/v3 "server".
        groups = [{name: path} for name, path in build.packages.items()]
        if all(path.rpartition("/")[2] == name for name, path in build.packages.items()):
            groups = [build.packages]
        for group in groups:
            output = str(target) + "/" if len(group) > 1 else str(target / next(iter(group)))
            argv = [go, "build", *flags, "-o", output, *group.values()]
            self.processes.run(component, argv, cwd=folder, environment=environment, on_line=count)
        on_progress(1.0)

    def licences(self, component: str, programs: Sequence[Path]) -> str:
        """The licence texts of every module inside `programs`, one after the other, each once."""
        environment = self._environment()
        argv = [self.toolchain.path, "version", "-m", *map(str, programs)]
        told = self.processes.run(component, argv, cwd=SOURCES, environment=environment)
        parts = []
        for module, version in sorted(set(_DEPENDENCY.findall(told))):
            folder = Path(environment["GOMODCACHE"]) / f"{_escape(module)}@{version}"
            texts = sorted(
                path for path in folder.glob("*") if _LICENCE_FILE.fullmatch(path.name) and path.is_file()
            )
            parts += [
                f"==== {module} {version}: {path.name}\n{path.read_text(errors='replace')}" for path in texts
            ]
        return "\n".join(parts) or "No module outside Go's standard library.\n"

    def _environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in _REFUSED}
        if inherited.get("GOSUMDB") == "off":
            del inherited["GOSUMDB"]
        inherited.setdefault("GOMODCACHE", str(self.cache / "go-modules"))
        return inherited | {
            "CGO_ENABLED": "0",
            "GOOS": "linux",
            "GOARCH": self.arch,
            "GOCACHE": str(self.cache / "go-build"),
            "GOENV": "off",
            "GOFLAGS": "-mod=readonly -modcacherw -buildvcs=false",
            "GOTOOLCHAIN": "local",
            "GOWORK": "off",
        }


_MODULES_REMEDY = (
    "The modules come from the Go module proxy (GOPROXY): see whether it can be reached, "
    "then run the build again."
)


def binaries(component: str, build: GoBuild, folder: str = "bin") -> list[Artifact]:
    """The rows of a build's binaries."""
    return [
        Artifact(
            path=f"{folder}/{name}",
            kind="binary",
            component=component,
            version=build.version,
            licence=build.licence,
            source=f"{build.module}@v{build.version}",
        )
        for name in build.packages
    ]


def _escape(module: str) -> str:
    """The module cache writes capitals as !lower, for file systems that do not know the difference."""
    return re.sub(r"[A-Z]", lambda found: "!" + found[0].lower(), module)


def _version_of(path: str) -> str | None:
    try:
        done = subprocess.run(
            [path, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": ""},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
