"""Quota and loans by the API."""

import datetime

import pytest
from django.utils import timezone

from kcloud_site.audit.models import AuditEvent
from kcloud_site.tenants.models import Loan
from kcloud_site.tenants.resources import Resources
from tests.clusters.environments import ROOM, SHARE, ask, fake_cluster, give_quota

AT = "tenants/retail/quota"
TOTAL = ROOM.to_json()


def until(days):
    return (timezone.now() + datetime.timedelta(days=days)).isoformat()


def test_it_tells_what_there_is_what_is_carved_out_and_what_is_free(api, tenant, monkeypatch):
    cluster, _fake = fake_cluster(monkeypatch)
    give_quota(tenant)
    ask(tenant, cluster)
    shown = api.get(AT).json()
    assert (shown["tenant"], shown["spec"]["total"]) == ("retail", TOTAL)
    assert shown["status"] == {
        "borrowed": Resources().to_json(),
        "limit": TOTAL,
        "carved": SHARE.to_json(),
        "free": (ROOM - SHARE).to_json(),
    }


def test_a_first_total_replaces_none_and_the_old_version_is_refused(api, tenant):
    nothing = api.get(AT)
    assert nothing.json()["spec"]["total"]["cpu"] == "0"
    given = api.put(AT, {"spec": {"total": TOTAL}, "reason": "year 1"}, If_Match=nothing["ETag"])
    assert (given.status_code, given.json()["spec"]["total"]) == (200, TOTAL)
    assert AuditEvent.objects.get(action="quota.change").reason == "year 1"
    late = api.put(AT, {"spec": {"total": TOTAL}}, If_Match=nothing["ETag"])
    assert (late.status_code, late.json()["code"]) == (412, "version_changed")
    assert api.put(AT, {"spec": {"total": TOTAL}}).status_code == 428


def test_every_part_of_a_total_has_to_be_told(api, tenant):
    give_quota(tenant)
    answer = api.put(AT, {"spec": {"total": {"cpu": "1"}}}, If_Match="*")
    assert answer.status_code == 422
    pointers = {each["pointer"] for each in answer.json()["errors"]}
    assert pointers == {f"/spec/total/{part}" for part in ("memory", "storage", "pods", "gpus")}
    assert api.get(AT).json()["spec"]["total"] == TOTAL


def test_a_total_below_what_is_carved_out_is_refused(api, tenant, monkeypatch):
    cluster, _fake = fake_cluster(monkeypatch)
    give_quota(tenant)
    ask(tenant, cluster)
    answer = api.put(AT, {"spec": {"total": {**TOTAL, "cpu": "500m"}}}, If_Match="*")
    assert (answer.status_code, answer.json()["code"]) == (409, "quota_in_use")
    assert api.get(AT).json()["spec"]["total"] == TOTAL


def test_quota_is_lent_and_taken_back(api, tenant):
    give_quota(tenant)
    made = api.post(f"{AT}/loans", {"spec": {"amount": {"cpu": "2"}, "until": until(3), "reason": "sale"}})
    assert made.status_code == 201, made.content
    number = made.json()["id"]
    assert made["Location"] == f"/api/v1/{AT}/loans/{number}"
    assert api.get(AT).json()["status"]["borrowed"]["cpu"] == "2"
    assert [row["id"] for row in api.get(f"{AT}/loans").json()["results"]] == [number]
    for _again in range(2):
        assert api.delete(f"{AT}/loans/{number}").status_code == 204
    ended = api.get(f"{AT}/loans/{number}").json()
    assert (ended["status"]["ended_by"], ended["spec"]["reason"]) == ("operator", "sale")
    assert api.get(AT).json()["status"]["borrowed"]["cpu"] == "0"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": {}}, "/spec/amount"),
        ({"until": until(-1)}, "/spec/until"),
        ({"until": until(400)}, "/spec/until"),
        ({"until": "soon"}, "/spec/until"),
        ({"reason": ""}, "/spec/reason"),
    ],
)
def test_a_loan_that_cannot_be_is_refused(api, tenant, change, pointer):
    spec = {"amount": {"cpu": "2"}, "until": until(3), "reason": "sale"}
    answer = api.post(f"{AT}/loans", {"spec": {**spec, **change}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not Loan.objects.exists()


def test_a_loan_of_another_tenant_is_not_there(api, tenant, other_tenant):
    loan = Loan.objects.create(
        tenant=other_tenant, cpu=1, reason="x", lent_by="x", ends_at=timezone.now() + datetime.timedelta(1)
    )
    assert api.get(f"{AT}/loans/{loan.pk}").status_code == 404
    assert api.delete(f"{AT}/loans/{loan.pk}").status_code == 404
    loan.refresh_from_db()
    assert loan.ended_at is None
