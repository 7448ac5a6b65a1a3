"""A tenant's images in the platform's own registry: what is there, what uses it, and deleting it.

Raises RegistryUnreachable while the registry is away; ImageNotFound, ImageStillUsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from apps.adapters.registry import ImageConfig, Registry
from apps.errors import ImageNotFound, ImageStillUsed
from apps.selectors.images import Use, uses_of
from apps.services import registry_places
from apps.services.images import own_site, parsed
from apps.specs.images import Reference
from kcloud_site.audit import trail
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.permissions import check

MOST_REPOSITORIES = 500
MOST_TAGS = 100


@dataclass(frozen=True)
class Repository:
    """`name` is what follows the tenant: "shop" of retail/shop."""

    name: str
    reference: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """One content of a repository with the tags that lead to it; none when only releases still name it."""

    digest: str
    tags: tuple[str, ...]
    config: ImageConfig | None
    uses: tuple[Use, ...]

    @property
    def in_use(self) -> bool:
        """Whether something runs it, or would go back to it."""
        return any(use.places for use in self.uses)


def repositories(tenant: Tenant) -> list[Repository]:
    """The tenant's repositories that have images, by name; none without a registry."""
    if not registry_places.addresses():
        return []
    registry, found = Registry(own_site()), []
    for path in registry.repositories(below=tenant.name):
        name = path.removeprefix(f"{tenant.name}/")
        tags = tuple(registry.tags(path))
        if tags or uses_of(tenant, f"{settings.REGISTRY_HOST}/{path}"):
            found.append(Repository(name, f"{settings.REGISTRY_HOST}/{path}", tags))
        if len(found) == MOST_REPOSITORIES:
            break
    return found


def images(tenant: Tenant, name: str) -> list[Image]:
    """What is in one repository, newest first. Raises ImageNotFound when there is nothing and never was."""
    reference = reference_of(tenant, name)
    if not registry_places.addresses():
        raise _not_found(reference)
    registry, uses = Registry(own_site()), uses_of(tenant, reference.name)
    tags: dict[str, list[str]] = {}
    for tag in registry.tags(reference.repository)[-MOST_TAGS:]:
        tags.setdefault(registry.resolve(_tagged(reference, tag)), []).append(tag)
    for use in uses:
        digest = use.image.partition("@")[2]
        if digest:
            tags.setdefault(digest, [])
    found = [_image(registry, reference, digest, named, uses) for digest, named in tags.items()]
    if not found:
        raise _not_found(reference)
    return sorted(
        found, key=lambda each: (each.config.created if each.config else "", each.tags), reverse=True
    )


def image(tenant: Tenant, name: str, digest: str) -> Image:
    """One of them."""
    for each in images(tenant, name):
        if each.digest == digest:
            return each
    raise _not_found(reference_of(tenant, name).at(digest))


def delete_image(*, tenant: Tenant, name: str, digest: str, by: Any) -> None:
    """Delete one content with all its tags. What a workload runs or would go back to stays."""
    check(by, "image.push", tenant)
    found, reference = image(tenant, name, digest), reference_of(tenant, name)
    if found.in_use:
        raise ImageStillUsed(
            _("%(image)s is in use.") % {"image": reference.at(digest)},
            ", ".join(
                f"{use.app} {use.version}: {', '.join(use.places)}" for use in found.uses if use.places
            ),
            _("Deploy a release with another image there, then delete this one."),
        )
    Registry(own_site()).delete(reference.repository, digest)
    subject = trail.Subject("apps.image", reference.repository, reference.repository, tenant.pk)
    before = {"digest": digest, "tags": list(found.tags)}
    trail.record(by=by, action="image.delete", subject=subject, before=before)


def remove_tag(*, tenant: Tenant, name: str, tag: str, by: Any) -> None:
    """Take one tag away; what it led to stays. A tag that a release names, instead of a digest, stays too."""
    check(by, "image.push", tenant)
    reference = reference_of(tenant, name)
    if not registry_places.addresses():
        raise _not_found(reference)
    registry = Registry(own_site())
    digest = registry.resolve(_tagged(reference, tag))
    wanted = f"{reference.name}:{tag}"
    named = [use for use in uses_of(tenant, reference.name) if use.image == wanted and use.places]
    if named:
        raise ImageStillUsed(
            _("%(image)s is in use.") % {"image": wanted},
            ", ".join(f"{use.app} {use.version}: {', '.join(use.places)}" for use in named),
            _("Deploy a release with another image there, then delete this one."),
        )
    registry.delete_tag(reference.repository, tag)
    subject = trail.Subject("apps.image", reference.repository, reference.repository, tenant.pk)
    trail.record(by=by, action="image.untag", subject=subject, before={"tag": tag, "digest": digest})


def reference_of(tenant: Tenant, name: str) -> Reference:
    """The repository `name` of a tenant. Raises ImageNotFound for what is no name of one."""
    reference = parsed(f"{settings.REGISTRY_HOST}/{tenant.name}/{name}")
    if reference.repository != f"{tenant.name}/{name}":
        raise _not_found(reference)
    return reference


def _image(registry: Registry, reference: Reference, digest: str, tags: list[str], uses: list[Use]) -> Image:
    try:
        config = registry.config(reference.at(digest))
    except ImageNotFound:
        # A release names it and it is gone, or it is for another platform.
        config = None
    mine = tuple(_using(uses, digest, tags))
    return Image(digest, tuple(sorted(tags)), config, mine)


def _using(uses: list[Use], digest: str, tags: list[str]) -> Iterator[Use]:
    for use in uses:
        name, at, pinned = use.image.partition("@")
        if pinned == digest or (not at and name.rpartition(":")[2] in tags):
            yield use


def _tagged(reference: Reference, tag: str) -> Reference:
    return Reference(reference.host, reference.repository, tag)


def _not_found(reference: Reference) -> ImageNotFound:
    return ImageNotFound(
        _("Registry %(host)s has no %(image)s.") % {"host": reference.host, "image": reference},
        "",
        _("Check the spelling and the tag, or push the image first."),
    )
