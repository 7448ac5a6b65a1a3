"""Is this bundle what its operator signed? Checked before every use.

First the signature of the manifest, then that the files are the manifest's: none missing, none extra, none a link,
sizes equal, and with `deep` every sha256. The first fault found is raised, with the file's name.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from clusters.bundle import signing
from clusters.bundle.errors import (
    BundleFileDiffers,
    BundleFileExtra,
    BundleFileMissing,
    BundleMissing,
    BundleSignatureInvalid,
)
from clusters.bundle.manifest import MANIFEST, SIGNATURE, Manifest, ManifestFile, decode


@dataclass(frozen=True, slots=True)
class BundleReport:
    """A bundle that passed. `deep` says whether each byte was read, `size` is in bytes."""

    directory: Path
    manifest: Manifest
    key_id: str
    deep: bool

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return self.manifest.size


def verify(
    directory: Path,
    trusted_keys: Sequence[Ed25519PublicKey],
    deep: bool = True,
    on_file: Callable[[ManifestFile], None] | None = None,
) -> BundleReport:
    """Check the bundle in `directory`; `on_file` hears of each file that passed.

    Raises BundleMissing, BundleSignatureInvalid, BundleManifestInvalid, BundleFileMissing, BundleFileDiffers or
    BundleFileExtra. A shallow check (`deep=False`) reads no file but the manifest: enough for a list, not for use.
    """
    if not (directory / MANIFEST).is_file():
        raise BundleMissing(directory.name, str(directory.parent))
    raw = (directory / MANIFEST).read_bytes()
    try:
        envelope = (directory / SIGNATURE).read_bytes()
    except OSError as error:
        raise BundleSignatureInvalid(f"{SIGNATURE} cannot be read") from error
    signer = signing.check(raw, envelope, trusted_keys)
    manifest = decode(raw)
    _refuse_extra(directory, {file.path for file in manifest.files} | {MANIFEST, SIGNATURE})
    for file in manifest.files:
        _check_file(directory, file, deep)
        if on_file:
            on_file(file)
    return BundleReport(directory=directory, manifest=manifest, key_id=signer, deep=deep)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_file(directory: Path, file: ManifestFile, deep: bool) -> None:
    path = directory / file.path
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleFileMissing(file.path) from error
    if not stat.S_ISREG(status.st_mode):
        raise BundleFileDiffers(file.path, "it is not a plain file")
    if status.st_size != file.size:
        raise BundleFileDiffers(file.path, f"{status.st_size} bytes instead of {file.size}")
    if deep and sha256_of(path) != file.sha256:
        raise BundleFileDiffers(file.path, "its sha256 is another")


def _refuse_extra(directory: Path, known: set[str]) -> None:
    # A folder that is a link would lead outside: os.walk lists it among the folders and does not follow it.
    for folder, folders, names in os.walk(directory):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted(names + links):
            path = (Path(folder) / name).relative_to(directory).as_posix()
            if path not in known:
                raise BundleFileExtra(path)
