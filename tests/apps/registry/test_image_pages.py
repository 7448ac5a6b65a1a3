"""The pages of a tenant's images, over the real registry: what is there, what uses it, deleting."""

import pytest

from apps.errors import ImageStillUsed
from apps.models import App, Workload
from apps.services import image_catalogue
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.services import tenants
from tests.apps.registry.clients import push, token_of
from tests.apps.things import make_release
from tests.markup import squeezed

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_tenant_sees_its_own_repositories_and_no_neighbours(registry, tenant, join, tmp_path):
    neighbour = tenants.create_tenant(name="retail-b", title="Retail B", by=None)
    for owner in (tenant, neighbour):
        person = join(owner, "developer")
        secret = token_of(person)
        for name in ("shop", "team/api"):
            push(tmp_path, f"{registry}/{owner.name}/{name}:1", person, secret, content=owner.name.encode())
    found = image_catalogue.repositories(tenant)
    assert [(each.name, each.tags) for each in found] == [("shop", ("1",)), ("team/api", ("1",))]
    assert found[1].reference == f"{registry}/retail/team/api"


def test_pages_show_tags_digests_and_the_releases_that_use_them(registry, tenant, join, tmp_path, client):
    developer = join(tenant, "developer")
    secret = token_of(developer)
    digest = push(tmp_path, f"{registry}/retail/shop:1", developer, secret)
    push(tmp_path, f"{registry}/retail/shop:2", developer, secret, content=b"two")
    app = App.objects.create(tenant=tenant, name="web")
    image = f"{registry}/retail/shop@{digest}"
    make_release(app, "1.0", {"containers": [{"name": "web", "image": image}]})
    client.force_login(developer)
    page = client.get("/tenants/retail/apps/images/").content.decode()
    assert f"docker push {registry}/retail/shop:1.0" in page
    assert "/tenants/retail/apps/images/shop/" in page
    page = client.get("/tenants/retail/apps/images/shop/").content.decode()
    page = squeezed(page)
    assert digest in page
    assert "web 1.0" in page
    assert "8080/tcp" in page


def test_deleting_asks_for_the_name_and_is_recorded(registry, tenant, join, tmp_path, client):
    developer = join(tenant, "developer")
    digest = push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    client.force_login(developer)
    address = f"/tenants/retail/apps/images/shop/remove/{digest}/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"name": "ship"}).status_code == 422
    assert len(image_catalogue.images(tenant, "shop")) == 1
    assert client.post(address, {"name": "shop"}).status_code == 303
    event = AuditEvent.objects.get(action="image.delete")
    assert (event.object_name, event.before) == ("retail/shop", {"digest": digest, "tags": ["1"]})
    assert image_catalogue.repositories(tenant) == []
    assert client.get("/tenants/retail/apps/images/shop/").status_code == 404
    assert client.get(address).status_code == 404


def test_what_runs_or_would_be_gone_back_to_is_not_deleted(registry, tenant, join, tmp_path, environment_of):
    developer = join(tenant, "developer")
    digest = push(tmp_path, f"{registry}/retail/shop:1", developer, token_of(developer))
    app = App.objects.create(tenant=tenant, name="web")
    image = f"{registry}/retail/shop@{digest}"
    release = make_release(app, "1.0", {"containers": [{"name": "web", "image": image}]})
    environment = environment_of(tenant)
    Workload.objects.create(tenant=tenant, app=app, environment=environment, good_release=release)
    with pytest.raises(ImageStillUsed, match=f"web 1.0: {environment.name}"):
        image_catalogue.delete_image(tenant=tenant, name="shop", digest=digest, by=developer)
    assert image_catalogue.images(tenant, "shop")[0].in_use


def test_a_registry_that_is_away_is_said_with_what_to_do(tenant, join, client, settings):
    settings.REGISTRY_ADDRESSES = ["127.0.0.1:1"]
    viewer = join(tenant, "viewer")
    client.force_login(viewer)
    for address in ("", "shop/"):
        page = client.get(f"/tenants/retail/apps/images/{address}")
        assert page.status_code == 200
        assert "does not answer" in page.content.decode()
    assert client.get(f"/tenants/retail/apps/images/shop/remove/sha256:{'0' * 64}/").status_code == 403


def test_names_that_climb_out_of_the_tenant_lead_nowhere(tenant, join, client):
    client.force_login(join(tenant, "viewer"))
    for name in ("..%2Flogistics%2Fshop", "Shop", "shop:1", "shop@x"):
        assert client.get(f"/tenants/retail/apps/images/{name}/").status_code == 404


def test_the_certificate_is_offered_to_whoever_asks(client, db):
    answer = client.get("/registry/ca.crt")
    assert answer.content.startswith(b"-----BEGIN CERTIFICATE-----")
