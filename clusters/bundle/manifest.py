"""The manifest of a bundle: what each file is, where it came from, how large it is and its sha256.

Pure except `read_manifest`. `encode` gives the same bytes for the same manifest (they are what is signed);
`decode(encode(m)) == m`. `decode` refuses whatever could lead outside the bundle directory.
Raises BundleManifestInvalid, naming the file or field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from clusters.bundle.errors import BundleManifestInvalid

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
KINDS = ("binary", "package", "package-index", "image", "licence")

_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")


@dataclass(frozen=True, slots=True, order=True)
class ManifestFile:
    """One file. `size` in bytes, `licence` an SPDX expression.

    `source` is a Go module@version, a Debian package=version or the URL of a release archive.
    """

    path: str
    kind: str
    component: str
    version: str
    licence: str
    size: int
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A bundle's contents. `created_at` is ISO 8601 in UTC; `suite` is the Debian release of the packages."""

    kubernetes_version: str
    created_at: str
    os: str
    arch: str
    suite: str
    files: tuple[ManifestFile, ...]
    format: int = FORMAT

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files)


def encode(manifest: Manifest) -> bytes:
    """The bytes of manifest.json: sorted, indented for reading, one trailing newline."""
    data = asdict(manifest)
    data["files"] = [asdict(file) for file in sorted(manifest.files)]
    return (json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def decode(raw: bytes) -> Manifest:
    """The manifest in `raw`."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise BundleManifestInvalid(f"it is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise BundleManifestInvalid("it is not a JSON object")
    if data.get("format") != FORMAT:
        raise BundleManifestInvalid(
            f"format {data.get('format')!r} is not {FORMAT}, the one this version reads"
        )
    rows = data.get("files")
    if not isinstance(rows, list) or not rows:
        raise BundleManifestInvalid("it lists no files")
    files = tuple(sorted(_file(row) for row in rows))
    _refuse_clashes(files)
    version = _text(data, "kubernetes_version")
    if not _VERSION.fullmatch(version):
        raise BundleManifestInvalid(f"kubernetes_version {version!r} is not like 1.34.4")
    return Manifest(
        kubernetes_version=version,
        created_at=_text(data, "created_at"),
        os=_text(data, "os"),
        arch=_text(data, "arch"),
        suite=_text(data, "suite"),
        files=files,
    )


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the bundle in `directory`, not yet checked against its signature."""
    try:
        return decode((directory / MANIFEST).read_bytes())
    except OSError as error:
        raise BundleManifestInvalid(f"it cannot be read ({error.strerror})") from error


def _text(data: Mapping[str, Any], field: str) -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value or _CONTROL.search(value):
        raise BundleManifestInvalid(f"field {field} is {value!r}, not a line of text")
    return value


def _file(row: Any) -> ManifestFile:
    if not isinstance(row, dict):
        raise BundleManifestInvalid(f"files holds {row!r}, not an object")
    path = _text(row, "path")
    refuse_unsafe_path(path)
    size, sha256, kind = row.get("size"), _text(row, "sha256"), _text(row, "kind")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BundleManifestInvalid(f"{path}: size {size!r} is not a number of bytes")
    if not _SHA256.fullmatch(sha256):
        raise BundleManifestInvalid(f"{path}: sha256 {sha256!r} is not 64 hexadecimal digits")
    if kind not in KINDS:
        raise BundleManifestInvalid(f"{path}: kind {kind!r} is not one of {', '.join(KINDS)}")
    words = {name: _text(row, name) for name in ("component", "version", "licence", "source")}
    return ManifestFile(path=path, kind=kind, size=size, sha256=sha256, **words)


def refuse_unsafe_path(path: str) -> None:
    """Raise when `path` is not a plain relative path below the bundle's directory."""
    plain = PurePosixPath(path)
    outside = plain.is_absolute() or ".." in plain.parts or _CONTROL.search(path)
    if outside or str(plain) != path or path in (".", MANIFEST, SIGNATURE):
        raise BundleManifestInvalid(f"path {path!r} does not name a file inside the bundle")


def _refuse_clashes(files: tuple[ManifestFile, ...]) -> None:
    names: set[str] = set()
    for file in files:
        if file.path in names:
            raise BundleManifestInvalid(f"path {file.path!r} is listed twice")
        names.add(file.path)
    for file in files:
        for parent in PurePosixPath(file.path).parents:
            if str(parent) in names:
                raise BundleManifestInvalid(f"path {str(parent)!r} is both a file and a folder")
