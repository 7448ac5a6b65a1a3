"""The OCI distribution API of any image registry: the platform's own and others.

`Registry(site)` asks and changes one; which site a reference means, and who may, decide the services. Docker's and
OCI's media types are taken alike, indexes of several platforms too. Raises ImageNotFound, ImageForbidden,
RegistryUnreachable, RegistryRefused; a digest is believed only when the bytes have it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urljoin

from django.utils.translation import gettext as _

from apps.adapters.registry_http import Credential, Reply, Site, Transport, told
from apps.errors import ImageForbidden, ImageNotFound, RegistryRefused, RegistryUnreachable
from apps.specs.images import Reference

__all__ = ["Credential", "ImageConfig", "Registry", "Resolved", "Site"]

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPT = {"Accept": ", ".join(INDEXES + MANIFESTS)}
PAGE = 200
MOST_NAMES = 20_000


@dataclass(frozen=True)
class Resolved:
    """What a name means now: the digest, what kind of document it is, and that document."""

    digest: str
    media_type: str
    document: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether it names an image for each platform."""
        return self.media_type in INDEXES


@dataclass(frozen=True)
class ImageConfig:
    """What an image says of itself. `size`: bytes to pull."""

    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    user: str
    ports: tuple[str, ...]
    environment: tuple[str, ...]
    labels: Mapping[str, str]
    architecture: str
    created: str
    size: int


class Registry:
    """One registry."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._transport = Transport(site)

    # ---- reading

    def resolve(self, reference: Reference) -> str:
        """The digest the reference means now."""
        return self.manifest(reference).digest

    def manifest(self, reference: Reference) -> Resolved:
        """The manifest or index of a reference, checked against its digest."""
        path = f"/v2/{reference.repository}/manifests/{reference.wanted}"
        reply = self._transport.send("GET", path, scopes=[_scope(reference, "pull")], headers=_ACCEPT)
        self._check(reply, str(reference))
        digest = "sha256:" + hashlib.sha256(reply.body).hexdigest()
        if reference.digest and reference.digest != digest:
            raise self._garbage(_("What it sends for a digest has another one."))
        document = _object(reply.body)
        media_type = str(document.get("mediaType") or reply.headers.get("content-type", "").split(";")[0])
        if media_type not in INDEXES + MANIFESTS:
            raise self._garbage(_("It answers a kind of manifest the portal does not know."))
        return Resolved(digest, media_type, document)

    def repositories(self, below: str = "") -> Iterator[str]:
        """The repositories of the registry, page by page; `below` "retail": those that begin "retail/".

        Not every registry shows its catalogue; the platform's own does to the portal only.
        """
        start = f"&last={quote(below)}" if below else ""
        names = self._names(f"/v2/_catalog?n={PAGE}{start}", "repositories", "registry:catalog:*", "catalog")
        for name in names:
            if below and not name.startswith(f"{below}/"):
                # A slash sorts before all else: what follows belongs to others.
                return
            yield name

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository by name; none for one that has no image any more."""
        path = f"/v2/{repository}/tags/list?n={PAGE}"
        scope = f"repository:{repository}:pull"
        try:
            return sorted(self._names(path, "tags", scope, repository))
        except ImageNotFound:
            return []

    def config(self, reference: Reference, architecture: str = "amd64") -> ImageConfig:
        """What the image says of itself; of an index, the image for Linux on `architecture`."""
        found = self.manifest(reference)
        if found.is_index:
            found = self.manifest(reference.at(_one_of(found, reference, architecture)))
        document = found.document
        digest = str(document["config"]["digest"])
        path = f"/v2/{reference.repository}/blobs/{digest}"
        reply = self._transport.send("GET", path, scopes=[_scope(reference, "pull")])
        self._check(reply, str(reference))
        if "sha256:" + hashlib.sha256(reply.body).hexdigest() != digest:
            raise self._garbage(_("What it sends for a digest has another one."))
        layers = document.get("layers") or []
        size = len(reply.body) + sum(int(layer.get("size") or 0) for layer in layers)
        return _config(_object(reply.body), size)

    # ---- changing

    def delete(self, repository: str, digest: str) -> None:
        """Delete a manifest with all tags that lead to it. One that is gone is no error."""
        path = f"/v2/{repository}/manifests/{digest}"
        reply = self._transport.send("DELETE", path, scopes=[f"repository:{repository}:delete"])
        if reply.status != 404:
            self._check(reply, f"{repository}@{digest}")

    def delete_tag(self, repository: str, tag: str) -> None:
        """Take a tag away; the manifest stays. One that is gone is no error; registries may refuse it."""
        path = f"/v2/{repository}/manifests/{tag}"
        reply = self._transport.send("DELETE", path, scopes=[f"repository:{repository}:delete"])
        if reply.status != 404:
            self._check(reply, f"{repository}:{tag}", changing=True)

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether a push can leave this blob out."""
        scope = f"repository:{repository}:pull,push"
        reply = self._transport.send("HEAD", f"/v2/{repository}/blobs/{digest}", scopes=[scope])
        return reply.status == 200

    def push_blob(self, repository: str, digest: str, content: IO[bytes], size: int) -> None:
        """Upload one blob in one piece, unless it is there."""
        if self.has_blob(repository, digest):
            return
        scopes = [f"repository:{repository}:pull,push"]
        begun = self._transport.send("POST", f"/v2/{repository}/blobs/uploads/", scopes=scopes)
        self._check(begun, repository, changing=True)
        place = urljoin(self.site.url + "/", begun.headers.get("location", ""))
        join = "&" if "?" in place else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        done = self._transport.send(
            "PUT", f"{place}{join}digest={quote(digest)}", scopes=scopes, headers=headers, body=content
        )
        self._check(done, f"{repository}@{digest}", changing=True)

    def push_manifest(self, reference: Reference, media_type: str, raw: bytes) -> str:
        """Put a manifest under the reference's tag or digest; answers its digest."""
        path = f"/v2/{reference.repository}/manifests/{reference.wanted}"
        scopes = [f"repository:{reference.repository}:pull,push"]
        reply = self._transport.send(
            "PUT", path, scopes=scopes, headers={"Content-Type": media_type}, body=raw
        )
        self._check(reply, str(reference), changing=True)
        return "sha256:" + hashlib.sha256(raw).hexdigest()

    # ---- answers

    def _names(self, path: str, key: str, scope: str, shown: str) -> Iterator[str]:
        count = 0
        while path and count < MOST_NAMES:
            reply = self._transport.send("GET", path, scopes=[scope])
            self._check(reply, shown)
            names = _object(reply.body).get(key) or []
            count += len(names)
            yield from map(str, names)
            path = _next(reply) if names else ""

    def _check(self, reply: Reply, shown: str, *, changing: bool = False) -> None:
        if reply.status < 300:
            return
        facts = {"host": self.site.name, "image": shown, "status": reply.status}
        why = told(reply.body)
        if reply.status == 404:
            raise ImageNotFound(
                _("Registry %(host)s has no %(image)s.") % facts,
                why,
                _("Check the spelling and the tag, or push the image first."),
            )
        if reply.status in (401, 403):
            raise ImageForbidden(
                _("Registry %(host)s refuses %(image)s.") % facts,
                why,
                _(
                    "Sign in with a token whose person may use it; many registries say so of what is not there."
                ),
            )
        if changing and reply.status < 500 and reply.status != 429:
            what = _("Registry %(host)s does not take %(image)s (status %(status)s).") % facts
            raise RegistryRefused(what, why, _("Look at the registry's log, then push again."))
        raise RegistryUnreachable(
            _("Registry %(host)s cannot answer now (status %(status)s).") % facts,
            why,
            _("Try again in a moment; look at the registry's log if it stays so."),
        )

    def _garbage(self, why: str) -> RegistryUnreachable:
        what = _("Registry %(host)s does not answer as a registry.") % {"host": self.site.name}
        return RegistryUnreachable(what, why, _("Check the name of the image's registry."))


def _scope(reference: Reference, actions: str) -> str:
    return f"repository:{reference.repository}:{actions}"


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    raise RegistryUnreachable(
        _("The registry's answer is not JSON."), "", _("Check the name of the image's registry.")
    )


def _next(reply: Reply) -> str:
    """The next page, as the Link header names it: a path of the same registry only."""
    link = reply.headers.get("link", "")
    target = link.partition("<")[2].partition(">")[0]
    return target if 'rel="next"' in link and target.startswith("/v2/") else ""


def _one_of(index: Resolved, reference: Reference, architecture: str) -> str:
    for entry in index.document.get("manifests") or []:
        platform = entry.get("platform") or {}
        if platform.get("os", "linux") == "linux" and platform.get("architecture") == architecture:
            return str(entry["digest"])
    raise ImageNotFound(
        _("%(image)s has no image for Linux on %(architecture)s.")
        % {"image": reference, "architecture": architecture},
        "",
        _("Build and push it for this platform as well."),
    )


def _config(document: Mapping[str, Any], size: int) -> ImageConfig:
    started = document.get("config") or {}
    return ImageConfig(
        entrypoint=tuple(map(str, started.get("Entrypoint") or ())),
        command=tuple(map(str, started.get("Cmd") or ())),
        user=str(started.get("User") or ""),
        ports=tuple(sorted(started.get("ExposedPorts") or {})),
        environment=tuple(map(str, started.get("Env") or ())),
        labels={str(key): str(value) for key, value in (started.get("Labels") or {}).items()},
        architecture=str(document.get("architecture") or ""),
        created=str(document.get("created") or ""),
        size=size,
    )
