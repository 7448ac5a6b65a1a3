"""The API of a tenant's images, over the real registry: lists, one repository, taking tags and images away."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.models import App, Workload
from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.services import tokens
from tests.apps.registry.clients import push, token_of
from tests.apps.things import make_release

pytestmark = pytest.mark.django_db(transaction=True)
IMAGES = "/api/v1/tenants/retail/images"


@pytest.fixture
def api(client, tenant, join):
    """api(method, path, role) answers (status, body)."""
    bearers = {}

    def call(method, path, role="developer"):
        if role not in bearers:
            person = join(tenant, role)
            ends = timezone.now() + timedelta(days=1)
            bearers[role] = tokens.create_token(
                user=person, name="ci", tenant=None, role=role, expires_at=ends, by=person
            )[1]
        answer = getattr(client, method)(path, headers={"Authorization": f"Token {bearers[role]}"})
        return answer.status_code, answer.json() if answer.content else None

    return call


def test_images_are_listed_untagged_and_deleted(registry, tenant, join, tmp_path, api):
    person = join(tenant, "owner")
    secret = token_of(person)
    for reference in ("shop:1", "shop:one", "team/api:1"):
        digest = push(tmp_path, f"{registry}/retail/{reference}", person, secret)
    status, page = api("get", IMAGES)
    assert (status, [(each["name"], each["tags"]) for each in page["results"]]) == (
        200,
        [("shop", ["1", "one"]), ("team/api", ["1"])],
    )
    status, shop = api("get", f"{IMAGES}/shop")
    (image,) = shop["images"]
    assert (image["digest"], image["tags"], image["there"], image["in_use"]) == (
        digest,
        ["1", "one"],
        True,
        False,
    )
    assert image["size"] > 0
    assert image["ports"] == ["8080/tcp"]
    assert api("delete", f"{IMAGES}/shop:one", "viewer")[0] == 403
    assert api("delete", f"{IMAGES}/shop:one")[0] == 204
    assert api("get", f"{IMAGES}/shop")[1]["tags"] == ["1"]
    assert api("delete", f"{IMAGES}/shop:one")[0] == 404
    assert api("delete", f"{IMAGES}/team/api@{digest}")[0] == 204
    assert api("get", f"{IMAGES}/team/api")[0] == 404
    assert api("delete", f"{IMAGES}/team/api@{digest}")[0] == 404
    actions = AuditEvent.objects.filter(action__startswith="image.").values_list("action", flat=True)
    assert {"image.untag", "image.delete"} <= set(actions)


def test_what_runs_is_neither_untagged_nor_deleted(registry, tenant, join, tmp_path, api, environment_of):
    person = join(tenant, "owner")
    digest = push(tmp_path, f"{registry}/retail/shop:1", person, token_of(person))
    app = App.objects.create(tenant=tenant, name="web")
    image = f"{registry}/retail/shop:1"
    release = make_release(app, "1.0", {"containers": [{"name": "web", "image": image}]})
    Workload.objects.create(tenant=tenant, app=app, environment=environment_of(tenant), good_release=release)
    for place in (f"{IMAGES}/shop:1", f"{IMAGES}/shop@{digest}"):
        status, problem = api("delete", place)
        assert (status, problem["code"]) == (409, "image_still_used")
        assert "web 1.0" in problem["detail"]
    (shown,) = api("get", f"{IMAGES}/shop")[1]["images"]
    assert shown["uses"][0]["app"] == "web"
    assert shown["in_use"]


def test_a_registry_that_is_away_is_said(tenant, api, settings):
    settings.REGISTRY_ADDRESSES = ["127.0.0.1:1"]
    assert api("get", IMAGES)[0] == 503
    assert api("get", f"{IMAGES}/shop")[0] == 503


def test_without_a_registry_there_are_no_images(tenant, api, settings):
    settings.REGISTRY_ADDRESSES = []
    assert api("get", IMAGES)[1]["results"] == []
    assert api("get", f"{IMAGES}/shop")[0] == 404
    assert api("delete", f"{IMAGES}/shop:1")[0] == 404
