"""Environments get what their nodes pull with, in time, from nobody but the portal."""

import base64
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps import jobs
from apps.errors import ImageForbidden
from apps.manifests.pull_secret import PULL_SECRET, lasts_until
from apps.services import pull_secrets, registry_places, registry_tokens
from clusters.errors import ClusterUnreachable
from clusters.models import Environment
from clusters.services import node_registries
from tests.clusters.carving import carve
from tests.clusters.environments import fake_cluster, give_quota

pytestmark = pytest.mark.django_db


@pytest.fixture
def environment(tenant):
    give_quota(tenant)
    return carve(tenant)


@pytest.fixture
def cluster(monkeypatch):
    return fake_cluster(monkeypatch)[1]


def path(environment):
    return f"/api/v1/namespaces/{environment.namespace}/secrets/{PULL_SECRET}"


def login(secret, host):
    config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
    return config["auths"][host]["username"], config["auths"][host]["password"]


def test_an_environment_gets_a_robot_of_its_own_that_may_pull_its_tenants_images(
    environment, cluster, settings
):
    assert pull_secrets.ensure_pull_secret(environment=environment)
    secret = cluster.objects[path(environment)]
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    name, password = login(secret, settings.REGISTRY_HOST)
    now = timezone.now()
    robot = registry_tokens.sign_in_as(name=name, password=password, address="", now=now)
    assert robot.tenant == environment.tenant
    scopes = [f"repository:{environment.tenant.name}/shop:pull,push", "repository:other/shop:pull"]
    _token, granted = registry_tokens.token_for(who=robot, scopes=scopes, now=now)
    assert [(each.name, each.actions) for each in granted] == [("retail/shop", ("pull",))]


def test_it_is_written_anew_when_half_its_life_is_over_or_it_is_for_another_host(
    environment, cluster, settings
):
    began = timezone.now()
    assert pull_secrets.ensure_pull_secret(environment=environment, now=began)
    assert not pull_secrets.ensure_pull_secret(environment=environment, now=began + timedelta(days=14))
    assert pull_secrets.ensure_pull_secret(environment=environment, now=began + timedelta(days=16))
    ends = lasts_until(cluster.objects[path(environment)], settings.REGISTRY_HOST)
    assert ends - began > timedelta(days=45)
    settings.REGISTRY_HOST = "images.example.com"
    assert pull_secrets.ensure_pull_secret(environment=environment, now=began + timedelta(days=16))


def test_the_clock_renews_those_that_are_due_and_one_dead_cluster_keeps_no_other_waiting(
    environment, cluster, caplog
):
    other = carve(environment.tenant, name="other")
    cluster.down = ClusterUnreachable("away")
    jobs.renew_pull_secrets()
    assert "waits" in caplog.text
    cluster.down = None
    jobs.renew_pull_secrets()
    assert path(environment) in cluster.objects
    assert path(other) in cluster.objects


def test_a_frozen_environment_is_left_alone_and_without_a_registry_nothing_is_written(
    environment, cluster, settings
):
    Environment.objects.update(state=Environment.State.FROZEN)
    jobs.renew_pull_secrets()
    settings.REGISTRY_ADDRESSES = []
    assert not pull_secrets.ensure_pull_secret(environment=environment)
    assert cluster.objects == {}


def test_a_robot_of_an_environment_that_is_being_removed_is_refused(environment):
    now = timezone.now()
    name, password = registry_tokens.robot_password(environment, ends_at=now + timedelta(days=1), now=now)
    Environment.objects.update(state=Environment.State.REMOVING)
    with pytest.raises(ImageForbidden):
        registry_tokens.sign_in_as(name=name, password=password, address="", now=now)


def test_nodes_are_told_of_the_registry_once_they_can_reach_it(settings, tmp_path):
    settings.REGISTRY_HOME = tmp_path / "registry"
    settings.REGISTRY_ADDRESSES = ["127.0.0.1:5000"]
    settings.REGISTRY_NODE_ADDRESS = ""
    assert node_registries.all_registries() == []
    registry_places.add_address("10.0.0.1:5000")
    registry_places.add_address("10.0.0.1:5000")
    assert registry_places.addresses() == ["127.0.0.1:5000", "10.0.0.1:5000"]
    (told,) = node_registries.all_registries()
    assert (told.host, told.address) == (settings.REGISTRY_HOST, "10.0.0.1:5000")
    settings.REGISTRY_NODE_ADDRESS = "10.9.9.9:443"
    assert node_registries.all_registries()[0].address == "10.9.9.9:443"
