"""Image layers out of Debian packages: their files without what no container needs, the same bytes every time.

No maintainer script runs: what a package's scripts would have made (alternatives, accounts) is the image's business.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from clusters.bundle.errors import ComponentFailed
from clusters.bundle.oci import tar

Wanted = Callable[[str], bool]


def package_layer(archives: Sequence[Path], wanted: Wanted, *, component: str) -> bytes:
    """One layer with the files of all `archives` that are `wanted` (by path, without a leading slash)."""
    files: dict[str, tuple[bytes, int]] = {}
    links: dict[str, str] = {}
    for archive in archives:
        _take(archive, wanted, files, links, component)
    stream = io.BytesIO()
    tar(stream, files, _folders([*files, *links]), links)
    return stream.getvalue()


def _take(
    archive: Path, wanted: Wanted, files: dict[str, tuple[bytes, int]], links: dict[str, str], component: str
) -> None:
    unpacking = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    assert unpacking.stdout
    try:
        with tarfile.open(fileobj=unpacking.stdout, mode="r|") as contents:
            for member in contents:
                name = str(PurePosixPath(member.name))
                if not wanted(name):
                    continue
                if member.issym():
                    links[name] = member.linkname
                elif stream := contents.extractfile(member) if member.isfile() else None:
                    # Nobody becomes somebody else in a container: no set-user bits.
                    files[name] = (stream.read(), 0o755 if member.mode & 0o100 else 0o644)
    except (tarfile.TarError, EOFError) as error:
        raise ComponentFailed(
            component, f"{archive.name} cannot be unpacked ({error}).", "Run the build again."
        ) from error
    finally:
        unpacking.stdout.close()
        unpacking.wait()


def _folders(names: Iterable[str]) -> set[str]:
    return {str(parent) for name in names for parent in PurePosixPath(name).parents if str(parent) != "."}
