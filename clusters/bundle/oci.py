"""Writes container images without a container engine: OCI image archives that also carry docker's manifest.json.

The same files and settings give the same bytes: entries are sorted, times are zero, and layers are stored
uncompressed, since compressors change between versions (and a node imports the plain layer faster).
containerd takes the image's name from the annotation io.containerd.image.name.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

FORMAT = 1
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One file of an image: an absolute path without `..`, its contents, and its mode."""

    path: str
    content: bytes
    mode: int = 0o644

    def __post_init__(self) -> None:
        plain = PurePosixPath(self.path)
        outside = not plain.is_absolute() or ".." in plain.parts or self.path.startswith("//")
        if outside or str(plain) != self.path or len(plain.parts) < 2:
            raise ValueError(f"{self.path!r} is not a plain absolute path of a file")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How a container of the image starts. `name` is the full reference, host/name:tag."""

    name: str
    entrypoint: Sequence[str]
    user: str
    arch: str = "amd64"
    ports: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


def write_image(target: Path, files: Iterable[ImageFile], settings: ImageSettings) -> None:
    """Write the archive to `target`. Raises ValueError when two files have one path or one lies below another."""
    layer = _layer(list(files))
    config = _json(_config(settings, _digest(layer)))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, config),
            "layers": [_descriptor(_LAYER, layer)],
        }
    )
    index = {
        "schemaVersion": 2,
        "manifests": [
            _descriptor(_MANIFEST, manifest)
            | {
                "platform": {"architecture": settings.arch, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": settings.name,
                    "org.opencontainers.image.ref.name": settings.name.rpartition(":")[2],
                },
            }
        ],
    }
    docker = [{"Config": _blob(config), "RepoTags": [settings.name], "Layers": [_blob(layer)]}]
    entries = {
        "index.json": _json(index),
        "manifest.json": _json(docker),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        **{_blob(raw): raw for raw in (config, manifest, layer)},
    }
    with target.open("wb") as stream:
        _tar(stream, {name: (raw, 0o644) for name, raw in entries.items()})


def _config(settings: ImageSettings, layer_digest: str) -> dict[str, Any]:
    started: dict[str, Any] = {
        "Entrypoint": list(settings.entrypoint),
        "User": settings.user,
        "WorkingDir": "/",
    }
    if settings.ports:
        started["ExposedPorts"] = {port: {} for port in settings.ports}
    if settings.labels:
        started["Labels"] = dict(settings.labels)
    started["Env"] = [
        f"{name}={value}" for name, value in sorted({"PATH": "/", **settings.environment}.items())
    ]
    return {
        "architecture": settings.arch,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": started,
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kcloud bundle build"}],
    }


def _layer(files: list[ImageFile]) -> bytes:
    entries = {file.path.lstrip("/"): (file.content, file.mode) for file in files}
    if len(entries) != len(files):
        raise ValueError("two files of the image have the same path")
    folders = {
        str(parent) for name in entries for parent in PurePosixPath(name).parents if str(parent) != "."
    }
    clash = folders & entries.keys()
    if clash:
        raise ValueError(f"/{min(clash)} is both a file and a folder of the image")
    stream = io.BytesIO()
    _tar(stream, entries, folders)
    return stream.getvalue()


def _tar(stream: BinaryIO, entries: Mapping[str, tuple[bytes, int]], folders: Iterable[str] = ()) -> None:
    # A folder sorts before what is in it, so extractors never meet a file whose folder they do not know.
    members = {name: None for name in folders} | dict(entries)
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(members):
            member = tarfile.TarInfo(name)
            entry = members[name]
            if entry is None:
                member.type, member.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(member)
            else:
                member.size, member.mode = len(entry[0]), entry[1]
                archive.addfile(member, io.BytesIO(entry[0]))


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(raw: bytes) -> str:
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def _blob(raw: bytes) -> str:
    return "blobs/sha256/" + hashlib.sha256(raw).hexdigest()


def _descriptor(media_type: str, raw: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(raw), "size": len(raw)}
