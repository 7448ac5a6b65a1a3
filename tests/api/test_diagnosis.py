"""The doctor's report by the API."""

import pytest

from apps.services import deployments
from tests.apps.things import carry_out, make_app, make_environment, make_release

AT = "tenants/retail/apps/web/in/dev/diagnosis"
PODS = "/api/v1/namespaces/retail-dev/pods"


@pytest.fixture
def cluster(monkeypatch, tenant, operator):
    environment, fake = make_environment(monkeypatch, tenant)
    app = make_app(tenant)
    release = make_release(app)
    begun = deployments.deploy_release(app=app, environment=environment, release=release, by=operator)
    assert carry_out(begun).state == "succeeded"
    return fake


@pytest.fixture
def member(program, tenant, join):
    return program(join(tenant, "viewer"), tenant=tenant, role="viewer")


def test_nothing_wrong_is_an_answer(member, cluster):
    answer = member.get(AT)
    assert answer.status_code == 200, answer.content
    assert answer.json() | {"advice": []} == {
        "seen": True,
        "well": True,
        "pods": 1,
        "diagnoses": [],
        "advice": [],
    }
    assert [each["code"] for each in answer.json()["advice"]] == ["no_readiness_probe"]


def test_a_cause_comes_with_evidence_and_remedy(member, cluster):
    pod = cluster.objects[f"{PODS}/web-0"]
    waiting = {"reason": "ErrImagePull", "message": "registry.example/x:1: not found"}
    pod["status"]["containerStatuses"][0] |= {"ready": False, "state": {"waiting": waiting}}
    (found,) = member.get(AT).json()["diagnoses"]
    assert (found["code"], found["severity"], found["pods"]) == ("image_not_found", "down", ["web-0"])
    assert found["evidence"][0]["text"] == "ErrImagePull: registry.example/x:1: not found"
    assert found["remedy"]


def test_what_is_not_there_is_not_found(member, cluster):
    assert member.get("tenants/retail/apps/web/in/test/diagnosis").status_code == 404
    assert member.get("tenants/retail/apps/api/in/dev/diagnosis").status_code == 404
