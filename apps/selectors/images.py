"""Which releases use which images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q

from apps.models import Release, Workload
from kcloud_site.tenants.models import Tenant


@dataclass(frozen=True)
class Use:
    """A release that names an image. `places`: the environments where it runs, or would be gone back to."""

    app: str
    number: int
    version: str
    image: str
    places: tuple[str, ...] = ()


def uses_of(tenant: Tenant, name: str) -> list[Use]:
    """Releases of the tenant with an image of that repository (host and path), newest first."""
    rows = Release.objects.filter(tenant=tenant).select_related("app").order_by("-pk")
    found = []
    for release in rows.only("pk", "number", "version", "spec", "app__name"):
        for image in _images(release):
            if image.startswith((f"{name}@", f"{name}:")):
                places = _places(release)
                found.append(Use(release.app.name, release.number, release.version, image, places))
    return found


def _images(release: Release) -> Iterator[str]:
    for container in release.spec.get("containers") or []:
        yield str(container.get("image", ""))


def _places(release: Release) -> tuple[str, ...]:
    rows = Workload.objects.filter(Q(release=release) | Q(good_release=release))
    return tuple(rows.order_by("environment__name").values_list("environment__name", flat=True))
