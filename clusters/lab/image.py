"""The root file system of lab hosts, made by mmdebstrap from the package sources this machine itself uses.

Contract: ``ensure`` returns the tag of an image the engine has. The archive is cached by a hash of all it was
made from (package list, files of ``image/``, release, architecture), so a change of any makes a new one.
Raises ToolsMissing or ImageBuildFailed; an archive in the cache is always whole.
"""

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from clusters.lab import state
from clusters.lab.engine import Engine
from clusters.lab.errors import ImageBuildFailed, ToolsMissing

FILES = Path(__file__).parent / "image"
REPOSITORY = "kcloud-lab-host"
BUILD_SECONDS = 1800
KEEP_ARCHIVES = 2
NEEDED_BYTES = 1_500_000_000
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_APT_FIELDS = ("Acquire::http", "Acquire::https", "Acquire::Check-Valid-Until", "Acquire::Check-Date")


def ensure(engine: Engine, progress: Callable[[str], None]) -> str:
    sources = apt_sources()
    mark = fingerprint(packages(), _files(), sources)
    tag = f"{REPOSITORY}:{mark}"
    if engine.has_image(tag):
        return tag
    archive = state.cache() / f"host-{mark}.tar"
    if not archive.exists():
        progress("Making the lab host's file system from Debian packages (once, 1 to 3 minutes)")
        _build(archive, sources)
    progress("Loading the lab host's file system into the engine")
    engine.import_image(archive, tag)
    return tag


def packages() -> list[str]:
    return [line for line in (FILES / "packages.txt").read_text().split() if line]


def fingerprint(names: Iterable[str], files: Iterable[tuple[str, bytes]], sources: Iterable[str]) -> str:
    """Twelve hexadecimal digits that change with any package, file, release, component or architecture.

    Where packages come from is left out: the same release from another mirror is the same file system.
    """
    digest = hashlib.sha256()
    releases = sorted({" ".join([line.split()[0], *line.split()[2:]]) for line in sources})
    parts = [os.uname().machine, *sorted(names), *releases]
    for part in [p.encode() for p in parts] + [
        x for name, data in sorted(files) for x in (name.encode(), data)
    ]:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:12]


def apt_sources() -> list[str]:
    """This machine's own Debian sources as one-line entries, other vendors' left out; base release first."""
    listing = _output(
        "apt-get", "indextargets", "--format", "$(CODENAME) deb $(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages", "Origin: Debian",
    )  # fmt: skip
    lines = sorted(set(listing.splitlines()), key=lambda line: (len(line.split()[0]), line))
    if not lines:
        raise ToolsMissing(
            "No Debian package lists on this machine",
            why="the lab host's file system is made from the packages this machine can install",
            remedy="Run 'apt-get update' as root.",
        )
    return [line.split(maxsplit=1)[1] for line in lines]


def release(sources: list[str]) -> str:
    """The base release: what updates and security extend by a suffix."""
    return sources[0].split()[2]


def build_command(archive: Path, sources: list[str], options: list[str]) -> list[str]:
    return [
        "mmdebstrap", "--quiet", "--variant=minbase", "--format=tar", f"--include={','.join(packages())}",
        *[f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT],
        *[f"--aptopt={option}" for option in options],
        f'--customize-hook={shlex.quote(str(FILES / "customize"))} "$1"',
        release(sources), str(archive), "-",
    ]  # fmt: skip


def _build(archive: Path, sources: list[str]) -> None:
    if not shutil.which("mmdebstrap"):
        raise ToolsMissing(
            "mmdebstrap not found",
            why="the lab host's file system is made with it",
            remedy="Run 'apt-get install --no-install-recommends mmdebstrap'.",
        )
    archive.parent.mkdir(parents=True, exist_ok=True)
    _check_room(archive.parent)
    # What a build that was killed left; another one cannot be at work, since up holds the labs' lock.
    for abandoned in archive.parent.glob("building-*"):
        shutil.rmtree(abandoned)
    with tempfile.TemporaryDirectory(prefix="building-", dir=archive.parent) as folder:
        unfinished = Path(folder) / archive.name
        result = subprocess.run(
            build_command(unfinished, sources, _apt_options()),
            input="\n".join(sources) + "\n", capture_output=True, text=True, check=False,
            timeout=BUILD_SECONDS, env={**os.environ, "FILES": str(FILES)},
        )  # fmt: skip
        if result.returncode:
            raise ImageBuildFailed(
                "The lab host's file system could not be made",
                why="; ".join(result.stderr.strip().splitlines()[-4:]) or "mmdebstrap said nothing",
                remedy="Check that 'apt-get update' and 'apt-get download sudo' work, then try again.",
            )
        unfinished.replace(archive)
    _prune(archive.parent)


def _check_room(folder: Path) -> None:
    free = min(shutil.disk_usage(folder).free, shutil.disk_usage(tempfile.gettempdir()).free)
    if free < NEEDED_BYTES:
        raise ImageBuildFailed(
            "Not enough disk for the lab host's file system",
            why=f"{free / 1e9:.1f} GB are free, {NEEDED_BYTES / 1e9:.1f} GB are needed for a while",
            remedy=f"Free space in {folder} and {tempfile.gettempdir()}.",
        )


def _prune(folder: Path) -> None:
    archives = sorted(folder.glob("host-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in archives[KEEP_ARCHIVES:]:
        old.unlink()


def _apt_options() -> list[str]:
    """Proxy and validity settings of this machine, without which its sources may not be reachable."""
    lines = _output("apt-config", "dump", *_APT_FIELDS).splitlines()
    return [line.rstrip(";") for line in lines if line.startswith(_APT_FIELDS) and not line.endswith('"";')]


def _files() -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in FILES.iterdir() if path.is_file()]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        raise ToolsMissing(
            f"{command[0]} not found",
            why="lab hosts are made from Debian packages",
            remedy="Use a Debian machine, or point DOCKER_HOST at an engine that has the image.",
        ) from None
    except subprocess.CalledProcessError as error:
        raise ToolsMissing(
            f"{command[0]} failed", why=error.stderr.strip(), remedy="Run 'apt-get update' as root."
        ) from error
