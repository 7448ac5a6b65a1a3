"""The preview asks the cluster and changes nothing."""

import json

import pytest
from django.utils import timezone

from apps.errors import ReleaseRefused, WorkloadRefused
from apps.models import Deployment, Workload
from apps.rollouts.strategy import BLUE_GREEN, Strategy
from apps.selectors import configurations as reading
from apps.services import configurations, deployments
from apps.services.previewing import preview
from clusters.errors import ClusterRefused, ClusterUnreachable, ValueRefused
from clusters.models import Node
from tests.apps.things import carry_out, make_app, make_environment, make_release, web_spec
from tests.clusters.environments import make

pytestmark = pytest.mark.django_db
OTHER = "registry.example/retail/web@sha256:" + "d" * 64


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def app(tenant):
    return make_app(tenant)


def test_before_the_first_deployment_everything_is_created_and_nothing_is_saved(app, place):
    environment, cluster = place
    before = dict(cluster.objects)
    found = preview(app=app, environment=environment, release=make_release(app))
    assert {(each.kind, each.what) for each in found.objects} == {
        ("Service", "create"),
        ("Deployment", "create"),
    }
    assert cluster.objects == before
    assert not Workload.objects.exists()


def test_a_second_release_replaces_the_pods_because_of_its_image(app, place, operator):
    environment, _cluster = place
    first = make_release(app)
    carry_out(deployments.deploy_release(app=app, environment=environment, release=first, by=operator))
    second = make_release(app, "1.1", web_spec(OTHER))
    found = preview(app=app, environment=environment, release=second)
    assert found.restart.replaced == 1
    assert "containers.web.image" in found.restart.because
    assert Workload.objects.get().release == first
    assert Deployment.objects.count() == 1


def test_blue_green_makes_a_second_set_and_takes_the_first_away(app, place, operator):
    environment, _cluster = place
    carry_out(
        deployments.deploy_release(app=app, environment=environment, release=make_release(app), by=operator)
    )
    second = make_release(app, "1.1", web_spec(OTHER))
    found = preview(app=app, environment=environment, release=second, strategy=Strategy(BLUE_GREEN))
    assert {(each.name, each.what) for each in found.objects} == {
        ("web", "change"),
        ("web-green", "create"),
        ("web", "delete"),
    }


def test_a_service_that_becomes_headless_is_made_anew_not_refused(app, place, operator):
    environment, cluster = place
    first = make_release(app)
    carry_out(deployments.deploy_release(app=app, environment=environment, release=first, by=operator))
    spec = web_spec()
    headless = make_release(app, "1.1", {**spec, "service": {**spec["service"], "headless": True}})
    found = preview(app=app, environment=environment, release=headless)
    (service,) = [each for each in found.objects if each.kind == "Service"]
    assert (service.what, [each.path for each in service.fields]) == ("change", ["spec.clusterIP"])
    made = deployments.deploy_release(app=app, environment=environment, release=headless, by=operator)
    assert carry_out(made).state == "succeeded"
    (kept,) = [each for each in cluster.objects.values() if each.get("kind") == "Service"]
    assert kept["spec"]["clusterIP"] == "None"


def test_what_the_server_refuses_is_told_of_the_object(app, place, monkeypatch):
    environment, cluster = place

    def refuse(obj, force=True, dry_run=False):
        raise ClusterRefused("violates PodSecurity", status=403, reason="Forbidden")

    monkeypatch.setattr(cluster, "apply", refuse)
    found = preview(app=app, environment=environment, release=make_release(app))
    assert found.blocked
    assert found.count("refused") == 2


def test_the_room_on_nodes_is_what_others_leave(app, place):
    environment, cluster = place
    Node.objects.create(
        cluster=environment.cluster,
        name="w1",
        uid="u",
        ready="True",
        seen_at=timezone.now(),
        status={"allocatable": {"cpu": 64, "memory": 2**36, "pods": 3}},
    )
    pod = {"spec": {"nodeName": "w1", "containers": [{"resources": {"requests": {"cpu": "1"}}}]}}
    ended = {**pod, "status": {"phase": "Succeeded"}}
    cluster.raw["/api/v1/pods"] = json.dumps({"items": [pod, pod, ended]}).encode()
    release = make_release(app)
    found = preview(app=app, environment=environment, release=release, replicas=5)
    (finding,) = [each for each in found.findings if each.problem.code == "no_room"]
    assert finding.problem.facts == {"more": 5, "room": 1}


def test_an_unreachable_cluster_and_a_frozen_environment_are_said(app, place):
    environment, cluster = place
    release = make_release(app)
    cluster.down = ClusterUnreachable("The cluster does not answer.")
    with pytest.raises(ClusterUnreachable):
        preview(app=app, environment=environment, release=release)
    environment.frozen = True
    with pytest.raises(WorkloadRefused):
        preview(app=app, environment=environment, release=release)


def test_a_release_of_another_application_is_refused(app, place, tenant):
    with pytest.raises(ReleaseRefused):
        preview(app=app, environment=place[0], release=make_release(make_app(tenant, "api")))


def publish(app, environment, operator, *names):
    base = reading.published(app, environment)
    entries = [{"name": name, "value": "1"} for name in names]
    row = configurations.save_draft(
        app=app, environment=environment, entries=entries, by=operator, expected=base.etag if base else ""
    )
    configurations.publish(revision=row, by=operator)
    return row


def test_configuration_a_release_reads_is_looked_for_where_it_is_to_run(app, place, tenant, operator):
    environment, _cluster = place
    release = make_release(app, spec=web_spec(configuration={"environment": True}))
    asked = {"app": app, "environment": environment, "release": release}
    assert "configuration_missing" in codes(preview(**asked))
    publish(app, environment, operator, "CACHE_MB")
    assert "configuration_there" in codes(preview(**asked))
    other = make(tenant, environment.cluster, "prod")
    publish(app, other, operator, "CACHE_MB", "DB_HOST")
    found = preview(**asked)
    (finding,) = [each for each in found.findings if each.problem.code == "configuration_lacks"]
    assert finding.problem.facts == {"names": "DB_HOST"}
    plain = make_release(app, "1.1")
    assert not any("configuration" in code for code in codes(preview(**{**asked, "release": plain})))


def test_a_revision_that_was_never_published_is_neither_previewed_nor_deployed(app, place, operator):
    environment, _cluster = place
    entries = [{"name": "CACHE_MB", "value": "1"}]
    row = configurations.save_draft(app=app, environment=environment, entries=entries, by=operator)
    release = make_release(app)
    asked = {"app": app, "environment": environment, "release": release, "config_revision": row.number}
    for service, more in ((preview, {}), (deployments.deploy_release, {"by": operator})):
        with pytest.raises(ValueRefused) as refused:
            service(**asked, **more)
        assert refused.value.field == "config_revision"
    assert not Deployment.objects.exists()


def keeping(app, storage_class):
    volume = {"name": "data", "type": "claim", "size": "1Gi", "storage_class": storage_class}
    spec = web_spec(kind="StatefulSet", volumes=[volume])
    spec["containers"][0]["mounts"] = [{"volume": "data", "path": "/data"}]
    return make_release(app, f"on-{storage_class}", spec)


def test_storage_classes_and_free_volumes_are_read_of_the_cluster(app, place):
    environment, cluster = place
    asked = {"app": app, "environment": environment}
    assert "storage_class" in codes(preview(**asked, release=keeping(app, "fast")), "block")
    classes, volumes = "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes"
    usual = {"storageclass.kubernetes.io/is-default-class": "true"}
    cluster.objects[f"{classes}/local"] = {"metadata": {"name": "local", "annotations": usual}}
    cluster.objects[f"{volumes}/v1"] = {
        "metadata": {"name": "v1"},
        "spec": {"storageClassName": "by-hand"},
        "status": {"phase": "Available"},
    }
    for name in ("local", "", "by-hand"):
        assert "storage_there" in codes(preview(**asked, release=keeping(app, name)), "pass")


def codes(found, level=None):
    return {each.problem.code for each in found.findings if level in (None, each.level)}
