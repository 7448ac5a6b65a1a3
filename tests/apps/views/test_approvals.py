"""Asking for a deployment from its preview, deciding on it, and the same by API."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.models import Deployment, DeploymentRequest
from tests.apps.things import make_app, make_environment, make_release

pytestmark = pytest.mark.django_db
GIVEN = {"release": "1", "type": "rolling", "surge": "25%", "unavailable": "0", "timeout": "60"}
API = "/api/v1/tenants/retail/apps/web/in/prod"


@pytest.fixture(autouse=True)
def app(monkeypatch, tenant):
    make_environment(monkeypatch, tenant, "prod", stage="prod", protected=True)
    made = make_app(tenant)
    make_release(made)
    return made


@pytest.fixture
def people(join, tenant):
    return join(tenant, "developer"), join(tenant, "operator")


def address(name, *more):
    return reverse(f"apps:{name}", args=["retail", "web", "prod", *more])


def sent_by(page):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def asked(client, developer, **more):
    client.force_login(developer)
    client.post(address("approval_ask"), {**GIVEN, "reason": "the fix of #12", **more})
    return DeploymentRequest.objects.latest("pk")


def test_a_developer_previews_and_asks_and_an_operator_sees_and_approves(client, people):
    developer, operator = people
    client.force_login(developer)
    page = client.get(address("preview"), GIVEN).content.decode()
    assert "Deploy now" not in page
    assert "Ask for approval" in page
    assert client.post(address("deploy"), GIVEN).status_code == 403
    answer = client.post(address("approval_ask"), {**sent_by(page), "reason": "the fix of #12"})
    made = DeploymentRequest.objects.get()
    assert answer["Location"] == address("approval", made.pk)
    own = client.get(answer["Location"]).content.decode()
    assert "Somebody else who may deploy there decides" in own
    assert address("approval_decide", made.pk, "approve") not in own

    client.force_login(operator)
    overview = client.get(reverse("overview")).content.decode()
    assert "retail-prod/web 1.0" in overview
    listed = client.get(reverse("apps:approvals", args=["retail"])).content.decode()
    assert address("approval", made.pk) in listed
    page = client.get(address("approval", made.pk)).content.decode()
    assert "the fix of #12" in page
    assert address("preview") in page
    answer = client.post(address("approval_decide", made.pk, "approve"), {"reason": "go"})
    assert answer["Location"] == address("deployment", Deployment.objects.get().number)
    page = client.get(address("approval", made.pk)).content.decode()
    assert address("deployment", 1) in page
    assert "retail-prod/web 1.0" not in client.get(reverse("overview")).content.decode()


def test_whoever_asked_cannot_approve_and_a_developer_cannot_decide_for_others(client, people, join, tenant):
    developer, operator = people
    made = asked(client, developer)
    approve, decline = (address("approval_decide", made.pk, verb) for verb in ("approve", "decline"))
    for person in (developer, join(tenant, "developer", "other"), join(tenant, "viewer")):
        client.force_login(person)
        assert client.post(approve).status_code == 403
        assert client.post(decline, {"reason": "no"}).status_code == 403
    own = asked(client, operator)
    answer = client.post(address("approval_decide", own.pk, "approve"))
    assert (answer.status_code, "asked for this yourself" in answer.content.decode()) == (422, True)
    assert not Deployment.objects.exists()


def test_a_no_needs_a_reason_which_the_asker_reads(client, people):
    developer, operator = people
    made = asked(client, developer)
    client.force_login(operator)
    assert client.post(address("approval_decide", made.pk, "decline")).status_code == 422
    client.post(address("approval_decide", made.pk, "decline"), {"reason": "not <b>today</b>"})
    client.force_login(developer)
    assert "not &lt;b&gt;today&lt;/b&gt;" in client.get(address("approval", made.pk)).content.decode()
    # Decided: asking again is the way on, and late decisions are told so.
    client.force_login(operator)
    late = client.post(address("approval_decide", made.pk, "approve"))
    assert "not open any more" in late.content.decode()


def test_without_a_reason_and_with_an_odd_hour_nothing_is_asked_for(client, people):
    client.force_login(people[0])
    for wrong in ({"reason": ""}, {"reason": "x", "deploy_at": "soon"}, {"reason": "x", "release": "9"}):
        assert client.post(address("approval_ask"), {**GIVEN, **wrong}).status_code == 422
    assert not DeploymentRequest.objects.exists()


def test_scheduling_takes_the_right_to_deploy(client, people):
    developer, operator = people
    at = timezone.localtime(timezone.now() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
    given = {**GIVEN, "schedule": "1", "deploy_at": at}
    client.force_login(developer)
    assert client.post(address("approval_ask"), given).status_code == 403
    client.force_login(operator)
    client.post(address("approval_ask"), given)
    made = DeploymentRequest.objects.get()
    assert made.state == "scheduled"
    page = client.get(address("approval", made.pk)).content.decode()
    assert "Scheduled" in page
    client.post(address("approval_decide", made.pk, "withdraw"))
    made.refresh_from_db()
    assert made.state == "withdrawn"


def test_programs_ask_and_decide(client, people):
    developer, operator = people
    client.force_login(developer)
    body = {"version": "1.0", "note": "nightly"}
    made = client.post(f"{API}/deployment-requests", body, content_type="application/json")
    assert (made.status_code, made.json()["status"]["state"]) == (201, "open")
    own = f"{API}/deployment-requests/{made.json()['id']}"
    assert client.post(f"{own}/approve", {}, content_type="application/json").status_code == 403
    missing = client.post(f"{API}/deployment-requests", {"version": "1.0"}, content_type="application/json")
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/note")
    client.force_login(operator)
    assert client.get(f"{API}/deployment-requests").json()["results"][0]["spec"]["reason"] == "nightly"
    done = client.post(f"{own}/approve", {"reason": "go"}, content_type="application/json").json()
    assert (done["status"]["state"], done["status"]["deployment"]) == ("deployed", 1)
    late = client.post(f"{own}/decline", {"reason": "no"}, content_type="application/json")
    assert late.status_code == 409
    schedule = {"version": "1.0", "schedule": True}
    assert (
        client.post(f"{API}/deployment-requests", schedule, content_type="application/json").status_code
        == 422
    )
