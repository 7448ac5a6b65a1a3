"""The sample shop's images in the platform's own registry, as if the tenant had pushed them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.adapters.oci_layouts import push_oci_layout
from apps.services.images import own_site
from apps.specs.images import parse_reference
from clusters.bundle import shop
from kcloud_site.audit import trail
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.permissions import check

Say = Callable[[str], None]


def push_shop(*, tenant: Tenant, archive: Path, by: Any, say: Say = lambda _text: None) -> list[str]:
    """Push every image with every tag from a bundle's archive into the tenant's part; answers their names there.

    What is there already is not sent again. Raises what the registry raises, and PermissionDenied."""
    check(by, "image.push", tenant)
    site, pushed = own_site(), []
    for name in shop.references():
        wanted = f"{settings.REGISTRY_HOST}/{tenant.name}/{name.rpartition('/')[2]}"
        digest = push_oci_layout(archive, parse_reference(wanted), site, name=name)
        say(f"{wanted}@{digest}")
        pushed.append(wanted)
    trail.record(by=by, action="image.push", subject=tenant, after={"images": pushed})
    return pushed
