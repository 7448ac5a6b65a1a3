"""The API as a program meets it: a token, problem+json, spec and status."""

import datetime

import pytest
from django.utils import timezone
from knox.models import get_token_model

from clusters.models import Cluster, Node, PlanRevision
from kcloud_site.operations.models import Operation, State, Step, StepTarget


@pytest.fixture
def api(client, operator):
    token = get_token_model().objects.create(user=operator)[1]
    client.defaults["HTTP_AUTHORIZATION"] = f"Token {token}"
    return client


@pytest.fixture
def cluster(db):
    cluster = Cluster.objects.create(
        name="gz-prod", state=Cluster.State.READY, version="1.34.4", deployed_revision=1
    )
    for number in (1, 2):
        PlanRevision.objects.create(
            cluster=cluster, number=number, spec={"name": "gz-prod", "n": number}, by_name="operator"
        )
    for name, ready in (("w1", "True"), ("w2", "Unknown")):
        Node.objects.create(cluster=cluster, name=name, uid=name, ready=ready, seen_at=timezone.now())
    return cluster


@pytest.mark.parametrize(
    "path", ["clusters", "clusters/gz-prod", "clusters/gz-prod/nodes", "operations", "operations/1"]
)
def test_without_a_token_every_address_answers_401_and_says_what_to_send(client, db, path):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert "Authorization: Token" in answer.json()["remedy"]


def test_a_person_who_is_no_operator_is_answered_403(client, person):
    token = get_token_model().objects.create(user=person)[1]
    answer = client.get("/api/v1/clusters", headers={"Authorization": f"Token {token}"})
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"


def test_an_expired_token_is_refused(client, operator):
    token = get_token_model().objects.create(user=operator, expiry=datetime.timedelta(seconds=-1))[1]
    assert client.get("/api/v1/clusters", headers={"Authorization": f"Token {token}"}).status_code == 401


def test_a_cluster_has_its_newest_plan_as_spec_and_what_is_there_as_status(api, cluster):
    answer = api.get("/api/v1/clusters/gz-prod").json()
    assert answer["generation"] == 2
    assert answer["spec"] == {"name": "gz-prod", "n": 2}
    assert answer["status"]["deployed_generation"] == 1
    assert (answer["status"]["nodes_ready"], answer["status"]["nodes_total"]) == (1, 2)


def test_a_cluster_that_does_not_exist_is_a_problem_with_a_remedy(api, db):
    answer = api.get("/api/v1/clusters/nowhere")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.json()["remedy"]


def test_nodes_are_listed_as_last_seen(api, cluster):
    assert [(node["name"], node["ready"]) for node in api.get("/api/v1/clusters/gz-prod/nodes").json()] == [
        ("w1", "True"),
        ("w2", "Unknown"),
    ]


def test_an_operation_tells_its_steps_and_why_it_failed(api, cluster):
    failure = {"what": "No room", "why": "3 GiB free", "remedy": "Free space"}
    operation = Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.cluster",
        subject_id=str(cluster.pk),
        subject_name="gz-prod",
        requested_by_name="operator",
        state=State.FAILED,
        failure=failure,
    )
    step = Step.objects.create(operation=operation, key="runtime", position=1, state=State.FAILED)
    StepTarget.objects.create(step=step, target="w1", state=State.FAILED)
    status = api.get(f"/api/v1/operations/{operation.pk}").json()["status"]
    assert status["state"] == "failed"
    assert status["failure"] == {**failure, "step": "", "target": ""}
    assert status["steps"][0]["targets"] == {"w1": "failed"}


def test_the_list_costs_the_same_number_of_queries_for_any_number_of_clusters(
    api, cluster, django_assert_max_num_queries
):
    for number in range(20):
        extra = Cluster.objects.create(name=f"c{number}")
        PlanRevision.objects.create(cluster=extra, number=1, spec={}, by_name="operator")
    with django_assert_max_num_queries(6):
        assert api.get("/api/v1/clusters").json()["count"] == 21
