"""Requests by the API: a tenant's program asks, an operator's decides, both see where it stands."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Environment, TenantRequest
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.models import Loan
from tests.clusters.environments import carry_out, fake_cluster, give_quota

AT = "tenants/retail/requests"
QUOTA = {"kind": "quota", "reason": "growth", "spec": {"amount": {"cpu": "4"}}}
SHARE = {"cpu": "1", "memory": "2Gi", "pods": "10"}
WANTED = {"name": "dev", "stage": "dev", "cluster": "dev", "share": SHARE}


@pytest.fixture
def developer(program, tenant, join):
    return program(join(tenant, "developer"), tenant=tenant, role="developer")


@pytest.fixture
def asked(developer):
    made = developer.post(AT, QUOTA)
    assert made.status_code == 201, made.content
    assert made["Location"] == f"/api/v1/{AT}/{made.json()['id']}"
    return made.json()


def test_what_is_asked_waits_in_the_queue(api, developer, asked):
    assert asked["spec"]["amount"]["cpu"] == "4"
    assert (asked["requested_by"], asked["status"]["state"]) == ("retail-developer", "open")
    assert [row["id"] for row in api.get("requests", {"state": "open"}).json()["results"]] == [asked["id"]]
    assert TenantRequest.objects.get().link.endswith(f"/tenants/retail/requests/{asked['id']}/")
    assert developer.get("requests").status_code == 403
    assert developer.post(f"requests/{asked['id']}/approve").status_code == 403


def test_an_approved_total_grows(api, developer, asked, tenant):
    done = api.post(f"requests/{asked['id']}/approve", {"reason": "fine"})
    assert done.status_code == 200
    status = developer.get(f"{AT}/{asked['id']}").json()["status"]
    assert (status["state"], status["decided_by"], status["decision_reason"]) == (
        "applied",
        "operator",
        "fine",
    )
    assert developer.get("tenants/retail/quota").json()["spec"]["total"]["cpu"] == "4"
    again = api.post(f"requests/{asked['id']}/approve")
    assert (again.status_code, again.json()["code"]) == (409, "request_decided")
    assert api.post(f"requests/{asked['id']}/apply").json()["code"] == "request_refused"


def test_an_approved_loan_is_lent_until_its_end(api, developer):
    ends = timezone.now() + datetime.timedelta(days=5)
    spec = {"amount": {"cpu": "2"}, "until": ends.isoformat()}
    made = developer.post(AT, {"kind": "loan", "reason": "sale", "spec": spec}).json()
    api.post(f"requests/{made['id']}/approve")
    assert Loan.objects.get().ends_at == ends


def test_an_approved_environment_is_made_by_an_operation(api, developer, tenant, monkeypatch):
    fake_cluster(monkeypatch)
    give_quota(tenant)
    made = developer.post(AT, {"kind": "environment", "reason": "work", "spec": WANTED})
    assert made.status_code == 201, made.content
    status = api.post(f"requests/{made.json()['id']}/approve").json()["status"]
    assert status["state"] == "approved"
    carry_out(Operation.objects.get(pk=status["operation"]))
    assert developer.get(f"{AT}/{made.json()['id']}").json()["status"]["state"] == "applied"
    assert Environment.objects.get().state == "ready"


def test_what_cannot_be_applied_says_why_and_is_applied_later(api, developer, tenant, monkeypatch):
    fake_cluster(monkeypatch)
    made = developer.post(AT, {"kind": "environment", "reason": "work", "spec": WANTED}).json()
    status = api.post(f"requests/{made['id']}/approve").json()["status"]
    assert (status["state"], bool(status["failure"]["remedy"])) == ("failed", True)
    give_quota(tenant)
    assert api.post(f"requests/{made['id']}/apply").json()["status"]["state"] == "approved"


def test_a_refusal_needs_a_reason(api, developer, asked):
    silent = api.post(f"requests/{asked['id']}/decline")
    assert (silent.status_code, silent.json()["errors"][0]["pointer"]) == (422, "/reason")
    assert api.post(f"requests/{asked['id']}/decline", {"reason": "full"}).status_code == 200
    assert developer.get(f"{AT}/{asked['id']}").json()["status"]["decision_reason"] == "full"


def test_both_sides_comment(api, developer, asked):
    assert developer.post(f"{AT}/{asked['id']}/comment", {"text": "By when?"}).status_code == 201
    api.post(f"{AT}/{asked['id']}/comment", {"text": "Today."})
    said = api.get(f"requests/{asked['id']}").json()["status"]["comments"]
    assert [(each["text"], each["by_operator"]) for each in said] == [("By when?", False), ("Today.", True)]
    assert developer.post(f"{AT}/{asked['id']}/comment", {"text": " "}).status_code == 422


def test_it_is_withdrawn_by_who_asked_or_an_owner_and_nobody_else(program, tenant, join, developer, asked):
    operator = program(join(tenant, "operator"), tenant=tenant, role="operator")
    assert operator.post(f"{AT}/{asked['id']}/withdraw").status_code == 403
    withdrawn = developer.post(f"{AT}/{asked['id']}/withdraw", {"reason": "no need"})
    assert withdrawn.json()["status"]["state"] == "withdrawn"
    other = developer.post(AT, QUOTA).json()["id"]
    owner = program(join(tenant, "owner"), tenant=tenant, role="owner")
    assert owner.post(f"{AT}/{other}/withdraw").status_code == 200


@pytest.mark.parametrize(
    ("kind", "spec", "pointer"),
    [
        ("quota", {}, "/spec/amount"),
        ("quota", {"amount": {}}, "/spec/amount/cpu"),
        ("quota", {"amount": {"cpu": "1"}, "until": "2030-01-01T00:00:00Z"}, "/spec/until"),
        ("loan", {"amount": {"cpu": "1"}}, "/spec/until"),
        ("loan", {"amount": {"cpu": "1"}, "until": "2020-01-01T00:00:00Z"}, "/spec/until"),
        ("environment", {**WANTED, "cluster": "nowhere"}, "/spec/cluster"),
        ("environment", {**WANTED, "name": "Not a name"}, "/spec/name"),
        ("environment", {**WANTED, "share": {**SHARE, "cpu": "1m"}}, "/spec/share/cpu"),
        ("moon", {}, "/kind"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_asked(developer, monkeypatch, kind, spec, pointer):
    fake_cluster(monkeypatch)
    answer = developer.post(AT, {"kind": kind, "reason": "r", "spec": spec})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not TenantRequest.objects.exists()


def test_requests_of_another_tenant_are_not_there(program, tenant, other_tenant, join, asked):
    outsider = program(join(other_tenant, "owner"), tenant=other_tenant, role="owner")
    assert outsider.get(AT).status_code == 404
    assert outsider.get(f"requests/{asked['id']}").status_code == 404
    assert outsider.get(f"tenants/logistics/requests/{asked['id']}").status_code == 404
    assert outsider.get("tenants/logistics/requests").json()["results"] == []


@pytest.mark.parametrize("path", [AT, "requests"])
def test_lists_take_as_many_queries_for_many_as_for_one(
    api, developer, asked, path, django_assert_num_queries
):
    api.get(path)  # the token's first use is written down
    with CaptureQueriesContext(connection) as one:
        api.get(path)
    queries = len(one)  # the next request empties the log
    for _more in range(4):
        developer.post(AT, QUOTA)
    with django_assert_num_queries(queries):
        assert len(api.get(path).json()["results"]) == 5
