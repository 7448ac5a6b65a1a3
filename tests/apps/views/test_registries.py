"""Pages and API of other registries' credentials: who may, what is shown, and that no password comes back."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.models import RegistryCredential
from apps.services import registry_credentials as services
from kcloud_site.tenants.services import tokens
from tests.apps.services.test_registry_credentials import PASSWORD, authority

pytestmark = pytest.mark.django_db
LIST = "/tenants/retail/apps/registries/"
API = "/api/v1/tenants/retail/registries"


@pytest.fixture
def owner(tenant, join):
    return join(tenant, "owner")


@pytest.fixture
def kept(tenant, owner):
    return services.add_credential(
        tenant=tenant, host="ghcr.io", username="robot", password=PASSWORD, by=owner
    )


def test_an_owner_adds_replaces_and_removes_one(client, owner, tenant):
    client.force_login(owner)
    assert "No credentials yet" in client.get(LIST).content.decode()
    given = {"host": "ghcr.io", "username": "robot", "password": PASSWORD, "authority": authority()}
    answer = client.post(f"{LIST}new/", given)
    assert (answer.status_code, answer["Location"]) == (303, LIST)
    row = RegistryCredential.objects.get()
    page = client.get(LIST).content.decode()
    assert "ghcr.io" in page
    assert "until" in page
    form = client.get(f"{LIST}{row.pk}/").content.decode()
    assert "unchanged; type to replace" in form
    assert PASSWORD not in page + form
    assert client.post(f"{LIST}{row.pk}/", {"username": "robot"}).status_code == 303
    assert client.post(f"{LIST}{row.pk}/remove/", {"name": "ghcr"}).status_code == 422
    assert client.post(f"{LIST}{row.pk}/remove/", {"name": "ghcr.io"}).status_code == 303
    assert not RegistryCredential.objects.exists()


def test_a_refusal_marks_its_field_and_shows_no_password_again(client, owner):
    client.force_login(owner)
    answer = client.post(f"{LIST}new/", {"host": "not one", "username": "a", "password": PASSWORD})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'name="host"' in page
    assert 'aria-invalid="true"' in page
    assert PASSWORD not in page


def test_a_developer_sees_where_and_as_whom_and_changes_nothing(client, tenant, join, kept):
    client.force_login(join(tenant, "developer"))
    page = client.get(LIST).content.decode()
    assert "robot" in page
    assert f"{LIST}new/" not in page
    assert client.get(f"{LIST}{kept.pk}/").status_code == 403


def test_the_api_keeps_replaces_and_forgets_and_never_tells(client, owner):
    ends = timezone.now() + timedelta(days=1)
    made = tokens.create_token(user=owner, name="ci", tenant=None, role="owner", expires_at=ends, by=owner)
    headers = {"Authorization": f"Token {made[1]}"}

    def call(method, path, body=None):
        options = {"headers": headers}
        if body is not None:
            options |= {"data": json.dumps(body), "content_type": "application/json"}
        answer = getattr(client, method)(path, **options)
        return answer.status_code, answer.json() if answer.content else None

    spec = {"username": "robot", "password": PASSWORD}
    status, row = call("post", API, {"host": "ghcr.io", "spec": spec})
    assert (status, row["spec"]) == (201, {"username": "robot", "authority": ""})
    place = f"{API}/{row['id']}"
    assert call("put", place, {"spec": {"username": "robot", "password": "second"}})[0] == 200
    status, refused = call("post", API, {"host": "ghcr.io", "spec": spec})
    assert (status, refused["errors"][0]["pointer"]) == (422, "/host")
    status, refused = call("put", place, {"spec": {"username": "other"}})
    assert (status, refused["errors"][0]["pointer"]) == (422, "/spec/password")
    status, page = call("get", API)
    assert [each["host"] for each in page["results"]] == ["ghcr.io"]
    assert PASSWORD not in json.dumps(page)
    assert call("delete", place)[0] == 204
    assert call("get", place)[0] == 404
