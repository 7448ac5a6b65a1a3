"""A client of the registry as docker is one: it knows a name and a token, and the rest by being told."""

from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from apps.adapters.oci_layouts import push_oci_layout
from apps.adapters.registry import Credential, Registry, Site
from apps.services import registry_keys
from apps.specs.images import parse_reference
from clusters.bundle.oci import ImageFile, ImageSettings, write_image
from kcloud_site.outbound.addresses import AddressRule
from kcloud_site.tenants.services import tokens

ANYWHERE = AddressRule(allow_internal=True)


def token_of(person, tenant=None, role="owner", name="docker"):
    """The secret of a new API token."""
    ends = timezone.now() + timedelta(days=1)
    return tokens.create_token(user=person, name=name, tenant=tenant, role=role, expires_at=ends, by=person)[
        1
    ]


def site(host, person=None, secret=""):
    """The registry as seen by somebody with a name and a secret; by nobody without."""
    credential = Credential(person.get_username(), secret) if person else None
    authority = registry_keys.authority_certificate(timezone.now())
    return Site(host, authority=authority, rule=ANYWHERE, credential=credential)


def image_file(folder: Path, name="shop", content=b"#!/bin/true\n") -> Path:
    """An image in a file, as the bundle's builder writes them."""
    target = folder / f"{name}.tar"
    settings = ImageSettings(
        name=f"kcloud.local/{name}:1", entrypoint=[f"/{name}"], user="10001:10001", ports=("8080/tcp",)
    )
    write_image(target, [ImageFile(f"/{name}", content, 0o755)], settings)
    return target


def push(folder, reference, person, secret, **options):
    """As `docker push`; answers the digest."""
    wanted = parse_reference(reference)
    return push_oci_layout(image_file(folder, **options), wanted, site(wanted.host, person, secret))


def pull(reference, person=None, secret=""):
    """As `docker pull`: manifest and configuration, checked."""
    wanted = parse_reference(reference)
    return Registry(site(wanted.host, person, secret)).config(wanted)
