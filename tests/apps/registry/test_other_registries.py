"""A registry that is not the platform's, asked with what a tenant keeps for it: the real program under another name."""

import pytest
from django.utils import timezone

from apps.errors import ImageForbidden, RegistryUnreachable
from apps.services import registry_credentials, registry_keys
from apps.services.images import resolve_image
from kcloud_site.tenants.services import tenants
from tests.apps.registry.clients import push, token_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stranger(registry, settings):
    """The registry, no longer the platform's own."""
    settings.REGISTRY_HOST = "own.example.com:5000"
    settings.REGISTRIES_INTERNAL = True
    return registry


def test_an_image_is_fixed_by_its_digest_with_the_tenants_name_and_authority(
    stranger, tenant, join, tmp_path
):
    owner = join(tenant, "owner")
    secret = token_of(owner)
    digest = push(tmp_path, f"{stranger}/retail/shop:1", owner, secret)
    image = f"{stranger}/retail/shop:1"
    with pytest.raises(RegistryUnreachable):
        resolve_image(image, tenant=tenant, by=owner)
    trusted = registry_keys.authority_certificate(timezone.now()).decode()
    kept = registry_credentials.add_credential(tenant=tenant, host=stranger, authority=trusted, by=owner)
    with pytest.raises(ImageForbidden):
        resolve_image(image, tenant=tenant, by=owner)
    registry_credentials.replace_credential(
        credential=kept, username=owner.get_username(), password=secret, authority=trusted, by=owner
    )
    assert resolve_image(image, tenant=tenant, by=owner) == (f"{stranger}/retail/shop@{digest}", digest)
    neighbour = tenants.create_tenant(name="retail-b", title="B", by=None)
    with pytest.raises(RegistryUnreachable):
        resolve_image(image, tenant=neighbour, by=join(neighbour, "owner"))
