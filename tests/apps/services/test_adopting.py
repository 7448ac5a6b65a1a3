"""Workloads that were there before: taken over without a touch, then scaled, then replaced beside themselves."""

import copy

import pytest
from django.urls import reverse

from apps.errors import ValueRefused
from apps.models import App, Workload
from apps.services import adopting, deployments
from apps.services import bin as bins
from tests.apps.things import carry_out, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db
OLD = "/apis/apps/v1/namespaces/retail-dev/deployments/web"
NEW = f"{OLD}-green"
SERVICES = "/api/v1/namespaces/retail-dev/services"
DIGEST = "sha256:" + "c" * 64


def _deployment(name="web", **pod):
    labels = {"app": name}
    container = {"name": "web", "image": "old/web:1", "ports": [{"name": "http", "containerPort": 8080}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "retail-dev"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }


def _service(name):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "retail-dev"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }


@pytest.fixture
def place(monkeypatch, tenant):
    environment, cluster = make_environment(monkeypatch, tenant)
    cluster.apply(_deployment())
    for pod in [each for name, each in cluster.objects.items() if "/pods/" in name]:
        pod["status"]["containerStatuses"][0]["imageID"] = f"registry.example/old/web@{DIGEST}"
    cluster.apply(_service("web-svc"))
    return environment, cluster


@pytest.fixture
def adopted(place, operator):
    (made,) = adopting.adopt(environment=place[0], names=["web"], by=operator)
    return made


def workload():
    return Workload.objects.select_related("app", "environment", "tenant", "release").get()


def test_adopting_touches_nothing_on_the_cluster(place, operator):
    before = copy.deepcopy(place[1].objects)
    adopting.adopt(environment=place[0], names=["web"], by=operator)
    assert place[1].objects == before
    now = workload()
    assert (now.state, now.replicas, now.release.source) == ("healthy", 2, "adopted")
    assert now.release.spec["containers"][0]["image"] == f"old/web@{DIGEST}"
    assert adopting.found_in(place[0]) == []


def test_what_cannot_be_adopted_says_why_and_is_refused(place, operator):
    environment, cluster = place
    cluster.apply(_deployment("host", hostNetwork=True))
    found = {each.name: each.refusal for each in adopting.found_in(environment)}
    assert found["web"] == ""
    assert "network" in found["host"]
    with pytest.raises(ValueRefused):
        adopting.adopt(environment=environment, names=["web", "host"], by=operator)
    assert not App.objects.exists()


def test_scaled_and_restarted_it_is_the_same_object(adopted, place, operator):
    made = carry_out(deployments.scale_workload(workload=adopted, replicas=3, by=operator))
    assert (made.state, place[1].objects[OLD]["spec"]["replicas"]) == ("succeeded", 3)
    assert carry_out(deployments.restart_workload(workload=workload(), by=operator)).state == "succeeded"
    assert NEW not in place[1].objects
    assert adopting.look_at_all() == 1
    assert workload().observed["available"] == 3


def test_the_next_release_takes_its_place_beside_it(adopted, place, operator):
    environment, cluster = place
    release = make_release(adopted.app, "2.0")
    made = carry_out(
        deployments.deploy_release(app=adopted.app, environment=environment, release=release, by=operator)
    )
    assert made.state == "succeeded", made.reason
    assert (workload().adopted, workload().slot) == ({}, "green")
    assert OLD not in cluster.objects
    assert NEW in cluster.objects
    wanted = {"kcloud.local/app": "web", "kcloud.local/slot": "green"}
    led = cluster.objects[f"{SERVICES}/web-svc"]["spec"]["selector"]
    assert {key: value for key, value in led.items() if value is not None} == wanted


def test_a_bad_release_leaves_the_adopted_one_as_it_was(adopted, place, operator):
    environment, cluster = place
    cluster.bad.add("bad/web:1")
    release = make_release(adopted.app, "2.0", web_spec("bad/web:1"))
    made = carry_out(
        deployments.deploy_release(app=adopted.app, environment=environment, release=release, by=operator)
    )
    assert made.state == "returned", made.reason
    assert workload().release == adopted.release
    assert cluster.objects[OLD]["status"]["availableReplicas"] == 2
    assert NEW not in cluster.objects


def test_removed_it_goes_and_comes_back_as_ours(adopted, place, operator):
    carry_out(bins.remove_workload(workload=adopted, by=operator, confirm_name="web"))
    assert OLD not in place[1].objects
    assert carry_out(bins.restore_workload(workload=workload(), by=operator)).state == "succeeded"
    assert place[1].objects[OLD]["spec"]["selector"]["matchLabels"]["kcloud.local/app"] == "web"


def test_a_developer_adopts_on_the_page_where_nothing_is_protected(client, tenant, join, place):
    client.force_login(join(tenant, "developer"))
    address = reverse("apps:adopt", args=["retail", "dev"])
    assert "Can be adopted" in client.get(address).content.decode()
    assert client.post(address, {"names": []}).status_code == 422
    assert client.post(address, {"names": ["web"]}).status_code == 303
    assert workload().adopted["name"] == "web"
    place[0].__class__.objects.update(protected=True)
    assert client.get(address).status_code == 403
