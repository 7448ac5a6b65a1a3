"""Environments by the API: made, changed and removed as operations, by whoever has the right on them."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Environment
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.services import grants
from tests.clusters.environments import ROOM, SHARE, carry_out, fake_cluster, give_quota, make, newest

AT = "tenants/retail/environments"
NEW = {
    "name": "dev",
    "spec": {"cluster": "dev", "stage": "dev", "share": {"cpu": "1", "memory": "2Gi", "pods": 10}},
}


@pytest.fixture
def cluster(monkeypatch, tenant):
    found, _fake = fake_cluster(monkeypatch)
    give_quota(tenant)
    return found


@pytest.fixture
def ready(tenant, cluster):
    return make(tenant, cluster)


@pytest.fixture
def member(program, tenant, join):
    def make_one(role):
        return program(join(tenant, role), tenant=tenant, role=role)

    return make_one


def carried_out(answer):
    """What a 202 announces, done."""
    assert answer.status_code == 202, answer.content
    number = answer.json()["id"]
    assert answer["Location"] == f"/api/v1/operations/{number}"
    return carry_out(Operation.objects.get(pk=number))


def test_an_operator_makes_one_and_its_operation_makes_it_ready(api, cluster):
    answer = api.post(AT, NEW)
    assert answer.json()["subject"]["name"] == "retail-dev"
    assert api.get(f"{AT}/dev").json()["status"]["state"] == "creating"
    assert carried_out(answer).state == "succeeded"
    shown = api.get(f"{AT}/dev").json()
    assert shown["spec"] == {
        "cluster": "dev",
        "stage": "dev",
        "share": {"cpu": "1", "memory": "2Gi", "storage": "0", "pods": "10", "gpus": "0"},
        "protected": False,
        "repair": "automatic",
    }
    assert (shown["status"]["state"], shown["status"]["namespace"]) == ("ready", "retail-dev")
    assert (shown["status"]["reason"], shown["generation"]) == (None, 1)


def test_one_key_makes_one_environment(api, cluster):
    first, again = (api.post(AT, NEW, Idempotency_Key="k") for _ in range(2))
    assert first.json() == again.json()
    assert Environment.objects.count() == Operation.objects.count() == 1


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"cluster": "nowhere"}, "/spec/cluster"),
        ({"stage": "moon"}, "/spec/stage"),
        ({"share": {"cpu": "much"}}, "/spec/share/cpu"),
        ({"share": {"cpu": "-1"}}, "/spec/share/cpu"),
        ({"share": {"cpus": "1"}}, "/spec/share/cpus"),
        ({"share": {"cpu": "1", "memory": "1", "pods": 1}}, "/spec/share/memory"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(api, cluster, spec, pointer):
    answer = api.post(AT, {**NEW, "spec": {**NEW["spec"], **spec}})
    assert answer.status_code == 422
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert not Environment.objects.exists()


def test_a_name_that_cannot_be_is_refused(api, cluster):
    answer = api.post(AT, {**NEW, "name": "Not A Name"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")


def test_more_than_is_free_is_refused_part_by_part(api, cluster):
    share = {"cpu": "9", "memory": "2Gi", "pods": "60"}
    answer = api.post(AT, {**NEW, "spec": {**NEW["spec"], "share": share}})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "quota_exceeded")
    assert {each["pointer"] for each in problem["errors"]} == {"/spec/share/cpu", "/spec/share/pods"}
    assert problem["remedy"]
    assert not Environment.objects.exists()


def test_another_share_names_the_version_and_keeps_what_is_not_told(api, ready):
    version = api.get(f"{AT}/dev")["ETag"]
    wanted = {"spec": {"share": {"cpu": "2"}}}
    assert api.patch(f"{AT}/dev", wanted).status_code == 428
    assert carried_out(api.patch(f"{AT}/dev", wanted, If_Match=version)).state == "succeeded"
    ready.refresh_from_db()
    assert ready.resources.parts() == {**SHARE.parts(), "cpu": 2000}
    assert api.patch(f"{AT}/dev", wanted, If_Match=version).status_code == 412
    same = api.patch(f"{AT}/dev", wanted, If_Match=api.get(f"{AT}/dev")["ETag"])
    assert (same.status_code, same.json()["spec"]["share"]["cpu"]) == (200, "2")


def test_a_change_that_is_refused_changes_nothing_else_either(api, ready):
    wanted = {"spec": {"protected": True, "share": {"cpu": str(ROOM.cpu)}}}
    assert api.patch(f"{AT}/dev", wanted, If_Match="*").status_code == 409
    ready.refresh_from_db()
    assert (ready.protected, ready.resources) == (False, SHARE)


def test_who_may_resize_may_not_lift_the_protection(member, ready):
    operator = member("operator")
    refused = operator.patch(f"{AT}/dev", {"spec": {"protected": True}}, If_Match="*")
    assert refused.status_code == 403
    by_hand = operator.patch(f"{AT}/dev", {"spec": {"repair": "by-hand"}}, If_Match="*")
    assert (by_hand.status_code, by_hand.json()["spec"]["repair"]) == (200, "by-hand")


def test_it_is_frozen_thawed_and_repaired(api, ready):
    for work, state in (("freeze", "frozen"), ("thaw", "ready"), ("repair", "ready")):
        assert carried_out(api.post(f"{AT}/dev/{work}", {"reason": "a try"})).reason == "a try"
        assert api.get(f"{AT}/dev").json()["status"]["state"] == state
    assert api.post(f"{AT}/dev/thaw").json()["code"] == "environment_refused"


def test_while_an_operation_works_the_next_one_is_told_of_it(api, ready):
    at_work = api.post(f"{AT}/dev/freeze").json()["id"]
    busy = api.post(f"{AT}/dev/repair")
    assert (busy.status_code, busy.json()["code"]) == (409, "subject_busy")
    assert busy.json()["operation"] == f"/api/v1/operations/{at_work}"


def test_removal_asks_for_the_name_and_takes_everything_away(api, ready):
    for query in ("", "?confirm_name=dev"):
        refused = api.delete(f"{AT}/dev{query}")
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/confirm_name")
    assert carried_out(api.delete(f"{AT}/dev?confirm_name=retail-dev")).state == "succeeded"
    assert api.get(f"{AT}/dev").status_code == 404


def test_a_protected_one_stays(api, ready):
    api.patch(f"{AT}/dev", {"spec": {"protected": True}}, If_Match="*")
    refused = api.delete(f"{AT}/dev?confirm_name=retail-dev")
    assert (refused.status_code, refused.json()["code"]) == (409, "environment_refused")


def test_only_a_platform_operator_forgets_one_that_cannot_be_reached(member, ready):
    refused = member("owner").delete(f"{AT}/dev?confirm_name=retail-dev&give_up=true")
    assert refused.status_code == 403
    assert newest(ready).kind == "clusters.environment_create"


def test_an_exception_on_one_environment_opens_that_one(program, tenant, join, ready, cluster):
    make(tenant, cluster, "test")
    user = join(tenant, "viewer")
    ends = timezone.now() + datetime.timedelta(days=1)
    grants.grant_right(
        tenant=tenant,
        user=user,
        right="environment.freeze",
        thing=ready,
        expires_at=ends,
        reason="r",
        by=None,
    )
    viewer = program(user, tenant=tenant, role="operator")
    assert viewer.post(f"{AT}/dev/freeze").status_code == 202
    assert viewer.post(f"{AT}/test/freeze").status_code == 403


def test_lists_are_filtered_and_of_one_tenant(api, tenant, other_tenant, cluster, ready):
    give_quota(other_tenant)
    make(other_tenant, cluster, "theirs")
    make(tenant, cluster, "prod", stage="prod")
    assert [row["name"] for row in api.get(AT).json()["results"]] == ["dev", "prod"]
    assert [row["name"] for row in api.get(AT, {"stage": "prod"}).json()["results"]] == ["prod"]
    assert api.get(f"{AT}/theirs").status_code == 404


def test_a_list_takes_as_many_queries_for_many_as_for_one(
    api, tenant, cluster, ready, django_assert_num_queries
):
    api.get(AT)  # the token's first use is written down
    with CaptureQueriesContext(connection) as one:
        api.get(AT)
    queries = len(one)  # the next request empties the log
    for number in range(3):
        make(tenant, cluster, f"more{number}")
    with django_assert_num_queries(queries):
        assert len(api.get(AT).json()["results"]) == 4
