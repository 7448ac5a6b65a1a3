"""Pushes what lies in a file: an OCI image layout, as a folder or a tar archive, to a registry.

The layout is what `clusters.bundle.oci` writes and `docker save`, skopeo and buildah can write. Blobs are streamed.
Raises ImageNotFound when the file holds no such image, and what the registry raises.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from django.utils.translation import gettext as _

from apps.adapters.registry import INDEXES, Registry, Site
from apps.errors import ImageNotFound
from apps.specs.images import Reference

# What containerd and the bundle's builder call an image in a layout.
_NAME = "io.containerd.image.name"


class _Layout(Protocol):
    def open(self, name: str) -> IO[bytes]: ...


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")


class _Archive:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar

    def open(self, name: str) -> IO[bytes]:
        found = self._tar.extractfile(name)
        if found is None:
            raise KeyError(name)
        return found


def push_oci_layout(source: Path, reference: Reference, site: Site, *, name: str = "") -> str:
    """Push an image of the layout at `source` under the reference's tag: the one called `name`, or the first; answers
    its digest. Layers that are there already are not sent again."""
    registry = Registry(site)
    try:
        with _opened(source) as layout:
            wanted = _entry(json.load(layout.open("index.json"))["manifests"], name)
            return _push(registry, layout, reference, wanted)
    except (KeyError, IndexError, ValueError, TypeError, OSError, tarfile.TarError) as error:
        raise ImageNotFound(
            _("%(file)s holds no image as an OCI layout.") % {"file": source.name},
            f"{type(error).__name__}: {error}"[:200],
            _("Give a file that skopeo, buildah or the bundle's builder wrote."),
        ) from error


def _entry(entries: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if not name:
        return entries[0]
    for each in entries:
        if (each.get("annotations") or {}).get(_NAME) == name:
            return each
    raise KeyError(name)


def _push(registry: Registry, layout: _Layout, reference: Reference, wanted: Mapping[str, Any]) -> str:
    digest, media_type = str(wanted["digest"]), str(wanted["mediaType"])
    with layout.open(_blob(digest)) as file:
        raw = file.read()
    document = json.loads(raw)
    if media_type in INDEXES:
        for each in document["manifests"]:
            _push(registry, layout, reference.at(str(each["digest"])), each)
    else:
        for blob in [document["config"], *document["layers"]]:
            with layout.open(_blob(str(blob["digest"]))) as content:
                registry.push_blob(reference.repository, str(blob["digest"]), content, int(blob["size"]))
    return registry.push_manifest(reference, media_type, raw)


@contextmanager
def _opened(source: Path) -> Iterator[_Layout]:
    if source.is_dir():
        yield _Folder(source)
        return
    with tarfile.open(source) as tar:
        yield _Archive(tar)


def _blob(digest: str) -> str:
    kind, _colon, name = digest.partition(":")
    if kind != "sha256" or not name.isalnum():
        raise ValueError(f"{digest!r} is not a digest")
    return f"blobs/sha256/{name}"
