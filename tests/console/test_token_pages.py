"""The page of one's own API tokens."""

import pytest

from kcloud_site.tenants.models import ApiToken

NEW = {"name": "ci", "tenant": "", "role": "viewer", "days": "30"}


@pytest.fixture
def owner(client, tenant, join):
    user = join(tenant, "owner")
    client.force_login(user)
    return user


def test_a_new_token_is_shown_once_and_works(client, owner):
    page = client.post("/preferences/tokens/", NEW)
    secret = page.context["secret"]
    assert secret in page.content.decode()
    assert page["Cache-Control"] == "no-store"
    assert secret not in client.get("/preferences/tokens/").content.decode()
    answer = client.get("/api/v1/me", headers={"Authorization": f"Token {secret}"})
    assert answer.json()["token"] == "ci"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"role": "auditor"}, "role"),
        ({"days": "1000"}, "days"),
        ({"tenant": "0"}, "tenant"),
    ],
)
def test_what_cannot_be_is_marked_at_its_field(client, owner, change, field):
    page = client.post("/preferences/tokens/", {**NEW, **change})
    assert page.status_code == 422
    assert field in page.context["form"].errors
    assert not ApiToken.objects.exists()


def test_a_name_used_twice_is_marked(client, owner):
    client.post("/preferences/tokens/", NEW)
    page = client.post("/preferences/tokens/", NEW)
    assert (page.status_code, list(page.context["form"].errors)) == (422, ["name"])


def test_a_token_is_revoked_by_its_person_only(client, owner, join, other_tenant):
    client.post("/preferences/tokens/", NEW)
    token = ApiToken.objects.get()
    client.force_login(join(other_tenant, "owner"))
    assert client.post(f"/preferences/tokens/{token.pk}/revoke/").status_code == 404
    client.force_login(owner)
    assert client.post(f"/preferences/tokens/{token.pk}/revoke/").status_code == 303
    assert not ApiToken.objects.exists()


def test_the_list_costs_the_same_for_any_number_of_tokens(client, owner, django_assert_max_num_queries):
    for number in range(15):
        client.post("/preferences/tokens/", {**NEW, "name": f"t{number}"})
    with django_assert_max_num_queries(14):
        page = client.get("/preferences/tokens/").content.decode()
    assert page.count("/revoke/") == 15
