"""API tokens: hashed, ending, named, narrowed to a tenant and a role."""

import datetime

import pytest
import time_machine
from django.utils import timezone

from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.errors import TokenRefused
from kcloud_site.tenants.models import ApiToken
from kcloud_site.tenants.services import members, tokens


@pytest.fixture
def two_tenants(tenant, other_tenant, join):
    """An owner of both tenants, and one operation in each."""
    user = join(tenant, "owner", "ada")
    members.add_member(tenant=other_tenant, user=user, role="owner", by=None)
    for each in (tenant, other_tenant):
        Operation.objects.create(
            kind="x", subject_type="t", subject_id="1", subject_name=each.name, tenant=each, state="succeeded"
        )
    return user


def subjects(program):
    return [row["subject"]["name"] for row in program.get("operations").json()["results"]]


def test_the_secret_is_shown_once_and_only_its_hash_is_kept(api):
    made = api.post("tokens", {"name": "ci", "spec": {"role": "viewer"}})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("kc_")
    again = api.get(made["Location"].removeprefix("/api/v1/"))
    assert again.status_code == 200
    assert "secret" not in again.json()
    stored = [str(value) for row in ApiToken.objects.values() for value in row.values()]
    assert not [value for value in stored if secret in value]
    told = [str(row) for row in AuditEvent.objects.values_list("before", "after", "reason")]
    assert not [row for row in told if secret[15:] in row]


def test_a_token_acts_in_its_tenant_only(two_tenants, program, tenant, other_tenant):
    assert subjects(program(two_tenants)) == ["logistics", "retail"]
    narrowed = program(two_tenants, tenant=tenant)
    assert subjects(narrowed) == ["retail"]
    assert narrowed.get("tenants/logistics").status_code == 404
    assert narrowed.get("tenants/retail").status_code == 200


def test_a_token_may_do_no_more_than_its_role(two_tenants, program, tenant):
    viewer = program(two_tenants, tenant=tenant, role="viewer")
    assert viewer.get("audit-events").status_code == 403
    assert program(two_tenants, tenant=tenant, role="operator").get("audit-events").status_code == 200


def test_a_token_gives_its_person_nothing_they_have_not(program, tenant, join):
    viewer = program(join(tenant, "viewer"), role="platform_operator")
    assert viewer.get("audit-events").status_code == 403
    assert viewer.get("clusters").status_code == 403


def test_an_expired_token_is_401_and_still_in_the_list(program, operator, api):
    short = program(operator, days=1, name="short")
    with time_machine.travel(timezone.now() + datetime.timedelta(days=1, minutes=1)):
        answer = short.get("operations")
        assert answer.status_code == 401
        assert answer.json()["code"] == "not_authenticated"
    ApiToken.objects.filter(name="short").update(expiry=timezone.now() - datetime.timedelta(minutes=1))
    rows = {row["name"]: row["status"]["expired"] for row in api.get("tokens").json()["results"]}
    assert rows == {"short": True, "api": False}


def test_a_revoked_token_is_401_at_once(program, operator, api):
    other = program(operator, name="other")
    assert other.get("me").json()["token"] == "other"
    pk = ApiToken.objects.get(name="other").pk
    assert api.delete(f"tokens/{pk}").status_code == 204
    assert other.get("me").status_code == 401


@pytest.mark.parametrize("header", ["Token", "Token a b", "Token kc_0", "Token \xff\xfe", "Bearer x"])
def test_what_is_no_token_is_401(client, db, header):
    answer = client.get("/api/v1/operations", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"


def test_a_token_of_somebody_who_left_opens_nothing(program, operator):
    mine = program(operator)
    operator.is_active = False
    operator.save()
    assert mine.get("me").status_code == 401


def test_the_use_of_a_token_is_noted(program, operator):
    mine = program(operator, name="used")
    assert ApiToken.objects.get(name="used").last_used_at is None
    mine.get("me")
    assert ApiToken.objects.get(name="used").last_used_at is not None


def test_what_a_token_does_stands_in_the_trail_under_its_name(program, operator):
    program(operator, name="deployer").post("regions", {"name": "east"})
    event = AuditEvent.objects.get(action="region.create")
    assert (event.actor_kind, event.actor, event.via) == ("token", "operator", "deployer")


def test_a_token_makes_only_narrower_tokens(two_tenants, program, tenant):
    narrow = program(two_tenants, tenant=tenant, role="developer", days=2)
    wider = {"name": "w", "spec": {"tenant": "retail", "role": "owner"}}
    assert narrow.post("tokens", wider).json()["errors"][0]["pointer"] == "/spec/role"
    elsewhere = {"name": "w", "spec": {"role": "viewer"}}
    assert narrow.post("tokens", elsewhere).status_code == 422
    late = (timezone.now() + datetime.timedelta(days=3)).isoformat()
    longer = {"name": "w", "spec": {"tenant": "retail", "role": "viewer", "expires_at": late}}
    assert narrow.post("tokens", longer).json()["errors"][0]["pointer"] == "/spec/expires_at"
    fits = {"name": "w", "spec": {"tenant": "retail", "role": "viewer"}}
    assert narrow.post("tokens", fits).status_code == 201
    assert ApiToken.objects.get(name="w").expiry <= ApiToken.objects.exclude(name="w").get().expiry


def test_a_narrow_token_neither_sees_nor_revokes_a_wider_one(two_tenants, program, tenant):
    program(two_tenants, name="wide")
    narrow = program(two_tenants, tenant=tenant, role="viewer", name="narrow")
    assert [row["name"] for row in narrow.get("tokens").json()["results"]] == ["narrow"]
    assert narrow.delete(f"tokens/{ApiToken.objects.get(name='wide').pk}").status_code == 404


def test_tokens_of_others_are_not_there(api, program, tenant, join):
    program(join(tenant, "viewer"), name="theirs")
    assert [row["name"] for row in api.get("tokens").json()["results"]] == ["api"]
    assert api.get(f"tokens/{ApiToken.objects.get(name='theirs').pk}").status_code == 404


def test_a_foreign_tenant_cannot_be_named(program, tenant, other_tenant, join):
    mine = program(join(tenant, "owner"))
    said = mine.post("tokens", {"name": "x", "spec": {"role": "viewer", "tenant": "logistics"}}).json()
    absent = mine.post("tokens", {"name": "x", "spec": {"role": "viewer", "tenant": "nowhere"}}).json()
    assert said["errors"][0]["pointer"] == "/spec/tenant"
    assert said["errors"][0]["message"].replace("logistics", "nowhere") == absent["errors"][0]["message"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"role": "king"}, "role"),
        ({"expires_at": datetime.timedelta(seconds=-1)}, "expires_at"),
        ({"expires_at": datetime.timedelta(days=400)}, "expires_at"),
    ],
)
def test_a_token_that_cannot_be_is_refused_by_field(operator, changes, field):
    wanted = {"name": "x", "role": "viewer", "expires_at": datetime.timedelta(days=1), **changes}
    wanted["expires_at"] = timezone.now() + wanted["expires_at"]
    with pytest.raises(TokenRefused) as refused:
        tokens.create_token(user=operator, tenant=None, by=operator, **wanted)
    assert refused.value.field == field
    assert not ApiToken.objects.exists()


def test_long_expired_tokens_are_forgotten(program, operator):
    program(operator, name="old")
    program(operator, name="new")
    long_ago = timezone.now() - datetime.timedelta(days=31)
    ApiToken.objects.filter(name="old").update(expiry=long_ago)
    assert tokens.prune_tokens() == 1
    assert [token.name for token in ApiToken.objects.all()] == ["new"]
