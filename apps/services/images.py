"""Images of releases: what a name means now, and at which registry to ask.

In the platform's own registry the first part of a repository is its tenant; another tenant's images are refused, since
its environments could not pull them either. Raises ImageNameRefused, ImageNotFound, ImageForbidden,
RegistryUnreachable.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.adapters.registry import Credential, Registry, Site
from apps.errors import ImageForbidden, ImageNameRefused
from apps.selectors import registry_credentials
from apps.services import registry_keys, registry_tokens
from apps.specs.images import BUNDLED_HOST, PUBLIC_HOST, Reference, ReferenceInvalid, parse_reference
from kcloud_site.outbound.addresses import AddressRule
from kcloud_site.outbound.connections import own_networks
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.permissions import check

# Docker's public registry answers under another name than images are called by.
_PUBLIC_ADDRESS = "registry-1.docker.io"


def resolve_image(reference: str, *, tenant: Tenant, by: Any) -> tuple[str, str]:
    """What the text means now for this tenant: (the reference with its digest, the digest).

    A reference with a digest is looked up, too: it must be there. Images of the release bundle (kcloud.local/…) lie on
    every node by their name, so they come back as written, with "" for the digest.
    """
    check(by, "image.view", tenant)
    wanted = parsed(reference)
    if wanted.host == BUNDLED_HOST:
        return str(wanted), ""
    refuse_foreign(wanted, tenant)
    digest = Registry(site_of(wanted, tenant)).resolve(wanted)
    return str(wanted.at(digest)), digest


def parsed(text: str) -> Reference:
    """The reference. Raises ImageNameRefused in the reader's language."""
    try:
        return parse_reference(text)
    except ReferenceInvalid as error:
        problem = error.problem
        raise ImageNameRefused(problem.message_in(_), "", problem.remedy_in(_)) from error


def refuse_foreign(reference: Reference, tenant: Tenant) -> None:
    """Raise ImageForbidden for an image of another tenant in the platform's own registry."""
    if reference.host != settings.REGISTRY_HOST or reference.namespace == tenant.name:
        return
    raise ImageForbidden(
        _("%(image)s is no image of tenant %(tenant)s.") % {"image": reference, "tenant": tenant.name},
        _("In the platform's registry a repository's first part is the tenant whose it is."),
        _("Push the image to %(name)s and use that.")
        % {"name": f"{settings.REGISTRY_HOST}/{tenant.name}/{reference.repository.rpartition('/')[2]}"},
    )


def site_of(reference: Reference, tenant: Tenant) -> Site:
    """The registry of a reference, and how the portal signs in there for the tenant."""
    if reference.host == settings.REGISTRY_HOST:
        return own_site()
    rule = AddressRule(allow_internal=settings.REGISTRIES_INTERNAL, own_networks=own_networks())
    address = _PUBLIC_ADDRESS if reference.host == PUBLIC_HOST else ""
    login = registry_credentials.login_of(tenant, reference.host)
    credential = Credential(login.username, login.password) if login.username else None
    return Site(
        name=reference.host, address=address, rule=rule, credential=credential, authority=login.authority
    )


def own_site() -> Site:
    """The platform's own registry, to which the portal signs its own tokens."""
    address = settings.REGISTRY_ADDRESSES[0] if settings.REGISTRY_ADDRESSES else settings.REGISTRY_HOST
    host = address.rpartition(":")[0].strip("[]")
    try:
        known = frozenset({ipaddress.ip_address(host)})
    except ValueError:
        known = frozenset()
    return Site(
        name=settings.REGISTRY_HOST,
        address=address,
        authority=registry_keys.authority_certificate(timezone.now()),
        rule=AddressRule(allow_internal=not known, known=known),
        signer=lambda scopes: registry_tokens.portal_token(scopes, timezone.now()),
    )
