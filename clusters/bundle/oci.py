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
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of an archive: how it starts and its layers, lowest first."""

    settings: ImageSettings
    layers: Sequence[bytes]


def write_image(target: Path, files: Iterable[ImageFile], settings: ImageSettings) -> None:
    """Write an archive of one image to `target`. Raises ValueError when two files have one path or one lies below
    another."""
    write_archive(target, [Image(settings, [layer_of(files)])])


def write_archive(target: Path, images: Sequence[Image], *, by_digest: bool = False) -> None:
    """Write one archive of several images; layers they share are in it once.

    With `by_digest` each is also named NAME@sha256:…, so that a node which can ask no registry knows that name too.
    """
    blobs: dict[str, bytes] = {}
    manifests: list[dict[str, Any]] = []
    docker = []
    for image in images:
        config = _json(_config(image.settings, [_digest(layer) for layer in image.layers]))
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _descriptor(_CONFIG, config),
                "layers": [_descriptor(_LAYER, layer) for layer in image.layers],
            }
        )
        repository, _colon, tag = image.settings.name.rpartition(":")
        manifests.append(_named(manifest, image.settings, image.settings.name, tag))
        if by_digest:
            manifests.append(_named(manifest, image.settings, f"{repository}@{_digest(manifest)}", ""))
        layers = [_blob(layer) for layer in image.layers]
        docker.append({"Config": _blob(config), "RepoTags": [image.settings.name], "Layers": layers})
        blobs |= {_blob(raw): raw for raw in (config, manifest, *image.layers)}
    entries = {
        "index.json": _json({"schemaVersion": 2, "manifests": manifests}),
        "manifest.json": _json(docker),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        **blobs,
    }
    with target.open("wb") as stream:
        tar(stream, {name: (raw, 0o644) for name, raw in entries.items()})


def digests_in(archive: Path) -> dict[str, str]:
    """The digest of each image in an archive by its name with the tag."""
    with tarfile.open(archive) as contents:
        index = contents.extractfile("index.json")
        assert index is not None
        rows = json.load(index)["manifests"]
    names = {row["annotations"]["io.containerd.image.name"]: str(row["digest"]) for row in rows}
    return {name: digest for name, digest in names.items() if "@" not in name}


def _named(manifest: bytes, settings: ImageSettings, name: str, tag: str) -> dict[str, Any]:
    annotations = {"io.containerd.image.name": name}
    if tag:
        annotations["org.opencontainers.image.ref.name"] = tag
    return _descriptor(_MANIFEST, manifest) | {
        "platform": {"architecture": settings.arch, "os": "linux"},
        "annotations": annotations,
    }


def _config(settings: ImageSettings, layer_digests: Sequence[str]) -> dict[str, Any]:
    started: dict[str, Any] = {
        "Entrypoint": list(settings.entrypoint),
        "User": settings.user,
        "WorkingDir": "/",
    }
    if settings.ports:
        started["ExposedPorts"] = {port: {} for port in settings.ports}
    if settings.labels:
        started["Labels"] = dict(settings.labels)
    if settings.stop_signal:
        started["StopSignal"] = settings.stop_signal
    started["Env"] = [
        f"{name}={value}" for name, value in sorted({"PATH": "/", **settings.environment}.items())
    ]
    return {
        "architecture": settings.arch,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": started,
        "rootfs": {"type": "layers", "diff_ids": list(layer_digests)},
        "history": [
            {"created": "1970-01-01T00:00:00Z", "created_by": "kcloud bundle build"}
            for _layer in layer_digests
        ],
    }


def layer_of(wanted: Iterable[ImageFile]) -> bytes:
    """A layer of these files. Raises ValueError when two have one path or one lies below another."""
    files = list(wanted)
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
    tar(stream, entries, folders)
    return stream.getvalue()


def tar(
    stream: BinaryIO,
    entries: Mapping[str, tuple[bytes, int]],
    folders: Iterable[str] = (),
    links: Mapping[str, str] | None = None,
) -> None:
    """Write files (contents and mode), folders and symbolic links by name, the same bytes for the same input."""
    links = links or {}
    # A folder sorts before what is in it, so extractors never meet a file whose folder they do not know.
    members: dict[str, tuple[bytes, int] | None] = {name: None for name in (*folders, *links)} | dict(entries)
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(members):
            member = tarfile.TarInfo(name)
            entry = members[name]
            if name in links:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, links[name], 0o777
                archive.addfile(member)
            elif entry is None:
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
