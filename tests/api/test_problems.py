"""Whatever goes wrong is a problem+json with a code, the places in the body, and a remedy."""

import pytest

from kcloud_site.operations.models import Operation
from kcloud_site.tenants.services import tenants
from tests.clusters.deployments import plan_data

KEYS = {"type", "status", "title", "code", "detail", "errors", "remedy"}


def problem(answer, status, code):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert set(said) >= KEYS
    assert (said["status"], said["code"]) == (status, code)
    assert said["remedy"]
    return said


def test_an_address_that_no_view_answers(client, db):
    problem(client.get("/api/v2/anything"), 404, "not_found")
    problem(client.get("/api/v1/nouns"), 404, "not_found")
    assert client.get("/nowhere").headers["Content-Type"].startswith("text/html")


def test_a_method_that_is_not_taken(api):
    problem(api.delete("me"), 405, "method_not_allowed")


def test_what_is_not_acceptable_and_what_is_no_json(api):
    problem(api.get("me", Accept="image/png"), 406, "not_acceptable")
    answer = api.client.post("/api/v1/regions", {"name": "x"})
    problem(answer, 415, "unsupported_media_type")
    problem(api.client.post("/api/v1/regions", "{", "application/json"), 400, "malformed")


def test_a_host_name_that_is_not_ours(client, db):
    problem(client.get("/api/v1/me", headers={"Host": "evil.example"}), 400, "bad_request")


def test_an_error_nobody_foresaw_says_nothing_of_itself(api, monkeypatch):
    def broken(**_kwargs):
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("clusters.api.regions.regions.create_region", broken)
    answer = api.post("regions", {"name": "east"}, Idempotency_Key="k")
    problem(answer, 500, "server_error")
    assert b"hunter2" not in answer.content
    monkeypatch.undo()
    # Its key is free again.
    assert api.post("regions", {"name": "east"}, Idempotency_Key="k").status_code == 201


def test_fields_are_named_by_pointers(api):
    said = problem(api.post("regions", {"name": "", "spec": {"titel": "x"}}), 422, "invalid")
    assert {error["pointer"] for error in said["errors"]} == {"/name", "/spec/titel"}


def test_what_a_service_refuses_names_its_field_and_the_remedy(api):
    api.post("regions", {"name": "east"})
    said = problem(api.post("regions", {"name": "east"}), 422, "value_refused")
    assert said["errors"][0]["pointer"] == "/name"
    assert said["remedy"] == "Choose another name."


def test_everything_wrong_with_a_plan_is_said_at_once(api):
    said = problem(api.post("clusters", {"spec": plan_data(name="Bad_Name", masters=2)}), 422, "plan_invalid")
    assert {"/spec/name", "/spec/masters"} <= {error["pointer"] for error in said["errors"]}


def test_a_tenant_error_keeps_its_field(api, tenant):
    answer = api.post("tenants", {"name": "retail", "spec": {"title": "Again"}})
    assert problem(answer, 409, "name_taken")["errors"][0]["pointer"] == "/name"


def test_a_busy_subject_leads_to_its_operation(api, db):
    first = Operation.objects.create(
        kind="x", subject_type="t", subject_id="1", subject_name="n", active_subject="t:1", state="running"
    )
    second = Operation.objects.create(
        kind="x", subject_type="t", subject_id="1", subject_name="n", state="failed"
    )
    answer = api.post(f"operations/{second.pk}/resume")
    said = problem(answer, 409, "subject_busy")
    assert said["operation"] == f"/api/v1/operations/{first.pk}"
    assert answer["Retry-After"]


def test_absent_and_forbidden_to_know_are_answered_alike(program, join, tenant, other_tenant):
    outsider = program(join(other_tenant, "owner"))
    foreign = outsider.get("tenants/retail")
    absent = outsider.get("tenants/nothing")
    assert problem(foreign, 404, "not_found") == problem(absent, 404, "not_found")


def test_a_member_without_the_right_is_told_who_has_it(program, join, tenant):
    answer = program(join(tenant, "viewer")).patch("tenants/retail", {"spec": {"title": "Mine"}})
    assert "Owner" in problem(answer, 403, "forbidden")["detail"]


def test_a_closed_tenant_says_so(api, tenant):
    tenants.close_tenant(tenant=tenant, by=None, reason="")
    version = api.get("tenants/retail")["ETag"]
    answer = api.patch("tenants/retail", {"spec": {"title": "x"}}, If_Match=version)
    problem(answer, 409, "tenant_closed")


@pytest.mark.parametrize(
    "path",
    [
        "operations/999999999999999999",
        "operations/99999999999999999999999",
        "operations?page=99999999999999999999",
        "operations?page=x",
        "audit-events?cursor=cD1hYmM%3D",
        "clusters/%00",
    ],
)
def test_made_up_addresses_are_not_there(api, path):
    problem(api.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["hosts?region=%00", "clusters?state=odd", "audit-events?since=yesterday"])
def test_a_filter_that_cannot_be_is_refused(api, path):
    problem(api.get(path), 422, "invalid")


def test_problems_speak_the_readers_language(api):
    assert api.get("clusters/x", Accept_Language="zh-hans").json()["code"] == "not_found"
