"""Components from official release archives, for operators with internet access or a mirror.

Where they are: one base address with a folder per component (BASE/kubernetes, BASE/etcd, BASE/coredns), or one
address per component. Below it lie v<version>/<archive> and the checksums, named as the projects publish them.
An archive is checked against its published sha256 before it is opened; only the named programs are taken out of it.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from clusters.bundle import catalogue
from clusters.bundle.download import download, fetch_text, published_sha256
from clusters.bundle.errors import BundleError, ComponentFailed
from clusters.bundle.store import Artifact


@dataclass(frozen=True, slots=True)
class Archive:
    """One published archive: its file, where its checksum is (both relative to the base), the programs to take."""

    component: str
    version: str
    file: str
    checksum: str
    programs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Base addresses by component; the key "" holds the one for all others."""

    bases: Mapping[str, str]

    def base(self, component: str) -> str:
        """The address below which the component's versions lie."""
        if component in self.bases:
            return self.bases[component].rstrip("/")
        if "" in self.bases:
            return f"{self.bases[''].rstrip('/')}/{component}"
        raise BundleError(
            f"There is no address to download {component} from.",
            f"Give --url https://MIRROR or --url {component}=https://MIRROR, or set KCLOUD_RELEASES_URL.",
        )


def parse_addresses(values: list[str]) -> Addresses:
    """Addresses from options like https://mirror or etcd=https://mirror/etcd. Pure."""
    bases: dict[str, str] = {}
    for value in values:
        name, separator, url = value.partition("=")
        if separator and name in ("kubernetes", "etcd", "coredns"):
            bases[name] = url
        else:
            bases[""] = value
    return Addresses(bases)


def kubernetes_archive(version: str, arch: str) -> Archive:
    """The server archive of a Kubernetes version."""
    file = f"kubernetes-server-linux-{arch}.tar.gz"
    programs = {name: f"kubernetes/server/bin/{name}" for name in catalogue.KUBERNETES_BINARIES}
    return Archive("kubernetes", catalogue.known_version(version), file, f"{file}.sha256", programs)


def etcd_archive(arch: str) -> Archive:
    """etcd's archive."""
    stem = f"etcd-v{catalogue.ETCD}-linux-{arch}"
    programs = {name: f"{stem}/{name}" for name in catalogue.ETCD_PACKAGES}
    return Archive("etcd", catalogue.ETCD, f"{stem}.tar.gz", "SHA256SUMS", programs)


def coredns_archive(arch: str) -> Archive:
    """The DNS server's archive."""
    file = f"coredns_{catalogue.COREDNS}_linux_{arch}.tgz"
    return Archive("coredns", catalogue.COREDNS, file, f"{file}.sha256", {"coredns": "coredns"})


def archive_url(archive: Archive, addresses: Addresses) -> str:
    """The full address of the archive."""
    return f"{addresses.base(archive.component)}/v{archive.version}/{archive.file}"


def fetch_programs(
    archive: Archive,
    addresses: Addresses,
    downloads: Path,
    target: Path,
    on_progress: Callable[[float], None] = lambda share: None,
) -> list[Artifact]:
    """Download, check and unpack: the archive's programs lie in `target` afterwards, the archive is gone."""
    url = archive_url(archive, addresses)
    checksums = f"{url.rpartition('/')[0]}/{archive.checksum}"
    sha256 = published_sha256(fetch_text(checksums), archive.file, checksums)
    # Two versions have archives of the same name: the version is part of the folder.
    local = downloads / f"{archive.component}-{archive.version}" / archive.file
    download(url, local, sha256, lambda share: on_progress(0.9 * share))
    _unpack(archive, local, target)
    shutil.rmtree(local.parent)
    on_progress(1.0)
    return [
        Artifact(f"bin/{name}", "binary", archive.component, archive.version, "Apache-2.0", url)
        for name in archive.programs
    ]


def _unpack(archive: Archive, local: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    wanted = {inside: name for name, inside in archive.programs.items()}
    try:
        with tarfile.open(local) as contents:
            for member in contents:
                name = wanted.get(member.name.removeprefix("./"))
                stream = contents.extractfile(member) if name and member.isfile() else None
                if name and stream:
                    with (target / name).open("wb") as output:
                        shutil.copyfileobj(stream, output)
                    wanted.pop(member.name.removeprefix("./"))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ComponentFailed(
            archive.component, f"{archive.file} cannot be unpacked ({error}).", _MIRROR
        ) from error
    if wanted:
        raise ComponentFailed(
            archive.component, f"{archive.file} lacks {', '.join(sorted(wanted))}.", _MIRROR
        )


_MIRROR = "See whether the mirror serves the project's own release archives."
