"""Workloads that were there before: taken over without a touch, then scaled, then replaced beside themselves."""

import copy

import pytest
from django.urls import reverse

from apps.errors import ValueRefused
from apps.models import App, Workload
from apps.rollouts.strategy import Strategy
from apps.services import adopting, deployments
from apps.services import bin as bins
from apps.services.previewing import preview
from kcloud_site.operations import runner
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


# --- with volumes -------------------------------------------------------------------------------

DATABASE = "/apis/apps/v1/namespaces/retail-dev/statefulsets/db"
CLAIMS = "/api/v1/namespaces/retail-dev/persistentvolumeclaims"


def _database(**changed):
    found = _deployment("db")
    found["kind"] = "StatefulSet"
    claim = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    found["spec"] |= {"serviceName": "db", "volumeClaimTemplates": [claim], **changed}
    found["spec"]["template"]["spec"]["hostname"] = "fixed"
    return found


def _release_of_database(app, version="2.0", image="new/db:2"):
    volume = {"name": "data", "type": "claim", "size": "1Gi"}
    spec = web_spec(image, kind="StatefulSet", volumes=[volume])
    spec["containers"][0]["mounts"] = [{"volume": "data", "path": "/data"}]
    return make_release(app, version, spec)


@pytest.fixture
def database(place, operator):
    place[1].apply(_database())
    place[1].apply({**_service("db"), "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]}})
    place[1].objects[f"{CLAIMS}/data-db-0"] = {"metadata": {"name": "data-db-0"}}
    place[1].objects[f"{CLAIMS}/data-other-0"] = {"metadata": {"name": "data-other-0"}}
    before = copy.deepcopy(place[1].objects)
    (made,) = adopting.adopt(environment=place[0], names=["db"], by=operator)
    assert place[1].objects == before
    return made


def _deploy(database, place, operator, release, **values):
    return carry_out(
        deployments.deploy_release(
            app=database.app, environment=place[0], release=release, by=operator, **values
        )
    )


def test_a_release_is_put_into_the_object_that_has_the_volumes(database, place, operator):
    cluster = place[1]
    made = _deploy(
        database, place, operator, _release_of_database(database.app), strategy=Strategy("blue-green")
    )
    assert made.state == "succeeded", made.reason
    spec = cluster.objects[DATABASE]["spec"]
    assert (spec["selector"], spec["serviceName"]) == ({"matchLabels": {"app": "db"}}, "db")
    assert spec["volumeClaimTemplates"] == _database()["spec"]["volumeClaimTemplates"]
    labels = spec["template"]["metadata"]["labels"]
    assert (labels["app"], labels["kcloud.local/app"]) == ("db", "db")
    assert spec["template"]["spec"]["containers"][0]["image"] == "new/db:2"
    # What the release does not have is gone from the pods.
    assert "hostname" not in spec["template"]["spec"]
    assert not any(name.endswith(("/db-green", "/deployments/db")) for name in cluster.objects)
    assert workload().adopted["in_place"]


def test_going_back_restores_the_pods_as_they_were_adopted(database, place, operator):
    cluster = place[1]
    cluster.bad.add("bad/db:3")
    bad = _release_of_database(database.app, "3.0", "bad/db:3")
    assert _deploy(database, place, operator, bad).state == "returned"
    assert workload().release == database.release
    assert cluster.objects[DATABASE]["spec"]["template"] == _database()["spec"]["template"]


def test_while_what_was_adopted_runs_scaling_leaves_its_pods_alone(database, place, operator):
    carry_out(deployments.scale_workload(workload=database, replicas=3, by=operator))
    spec = place[1].objects[DATABASE]["spec"]
    assert (spec["replicas"], spec["template"]) == (3, _database()["spec"]["template"])
    carry_out(deployments.restart_workload(workload=workload(), by=operator))
    annotations = place[1].objects[DATABASE]["spec"]["template"]["metadata"]["annotations"]
    assert list(annotations) == ["kcloud.local/restarted-at"]


def test_a_preview_says_that_its_own_object_changes(database, place):
    cluster = place[1]
    before = copy.deepcopy(cluster.objects)
    release = _release_of_database(database.app)
    found = preview(app=database.app, environment=place[0], release=release)
    kinds = {(each.kind, each.name): each.what for each in found.objects}
    assert kinds[("StatefulSet", "db")] == "change"
    assert ("StatefulSet", "db-green") not in kinds
    # The Service that leads to it stays its own.
    assert ("Service", "db") not in kinds
    assert found.restart.replaced == 2
    assert cluster.objects == before


def test_a_preview_of_what_gives_way_shows_both(adopted, place):
    found = preview(app=adopted.app, environment=place[0], release=make_release(adopted.app, "2.0"))
    kinds = {(each.kind, each.name): each.what for each in found.objects}
    assert kinds[("Deployment", "web-green")] == "create"
    assert kinds[("Deployment", "web")] == "delete"
    assert not found.blocked


def test_in_the_bin_its_volumes_are_marked_and_go_when_that_is_emptied(database, place, operator):
    cluster = place[1]
    carry_out(bins.remove_workload(workload=database, by=operator, confirm_name="db"))
    assert DATABASE not in cluster.objects
    assert f"{CLAIMS}/data-db-0" in cluster.objects
    emptied = bins.empty_bin(workload=workload(), by=operator, confirm_name="db")
    runner.run(emptied.operation_id)
    assert f"{CLAIMS}/data-db-0" not in cluster.objects
    assert f"{CLAIMS}/data-other-0" in cluster.objects


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (_database(persistentVolumeClaimRetentionPolicy={"whenDeleted": "Delete"}), "whenDeleted"),
        ({**_database(), "metadata": {"name": "db.old", "namespace": "retail-dev"}}, "name"),
    ],
)
def test_volumes_that_could_be_lost_are_not_adopted(place, found, why):
    place[1].apply(found)
    (refusal,) = [each.refusal for each in adopting.found_in(place[0]) if each.kind == "StatefulSet"]
    assert why in refusal
