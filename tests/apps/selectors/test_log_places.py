"""Where the log store is, for the portal and for nodes; and which clusters' lines are read from it."""

from types import SimpleNamespace

import pytest
from django.utils import timezone

from apps.adapters.victorialogs import VictoriaLogs
from apps.selectors import log_places
from apps.selectors.kubernetes_logs import KubernetesLogs
from apps.selectors.logs import store_for
from apps.services import log_program
from clusters.models import Cluster
from clusters.selectors import log_shipping
from clusters.services import cluster_secrets

OWN = ["127.0.0.1:9428"]


@pytest.fixture
def told(settings, tmp_path):
    settings.LOGS_HOME = tmp_path / "logs"

    def tell(addresses=(), url="", node_url=""):
        settings.LOGS_ADDRESSES, settings.LOGS_URL, settings.LOGS_NODE_URL = list(addresses), url, node_url

    tell()
    return tell


def test_without_settings_there_is_none_and_nothing_is_written(told, settings):
    assert log_places.portal_url() == ""
    assert log_places.for_nodes() is None
    assert log_places.heard("prod") is None
    assert not settings.LOGS_HOME.exists()


def test_the_portals_own_is_asked_with_a_password_made_once(told, settings):
    told(OWN)
    first = log_places.portal_url()
    password = (settings.LOGS_HOME / "password").read_text()
    assert first == log_places.portal_url() == f"http://kcloud:{password}@127.0.0.1:9428"
    assert len(password) > 30
    assert [path.name for path in settings.LOGS_HOME.iterdir()] == ["password"]


def test_nodes_are_told_an_address_they_reach_and_none_while_there_is_none(told):
    told(OWN)
    assert log_places.for_nodes() is None
    log_program.add_address("10.0.0.1:9428")
    log_program.add_address("10.0.0.1:9428")
    assert log_places.addresses() == ["127.0.0.1:9428", "10.0.0.1:9428"]
    found = log_places.for_nodes()
    assert (found.url, found.user) == ("http://10.0.0.1:9428", "kcloud")
    assert found.password in log_places.portal_url()
    assert "127.0.0.1:9428" in log_places.portal_url()


@pytest.mark.parametrize(
    ("url", "node_url", "seen"),
    [
        ("http://a:b@10.0.0.5:9428", "", ("http://10.0.0.5:9428", "a", "b")),
        ("https://logs.example.com/store/", "", ("https://logs.example.com/store", "", "")),
        ("http://a:b@127.0.0.1:9428", "", None),
        ("http://a:b@localhost:9428", "https://logs.example.com/", ("https://logs.example.com", "a", "b")),
        ("http://a:b%40c@10.0.0.5:9428", "", ("http://10.0.0.5:9428", "a", "b@c")),
    ],
)
def test_somebody_elses_store_is_reached_where_it_is_named(told, url, node_url, seen):
    told(OWN, url, node_url)
    found = log_places.for_nodes()
    assert (found and (found.url, found.user, found.password)) == seen
    assert log_places.addresses() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("origin", "ships", "previous", "reads"),
    [
        ("deployed", True, False, VictoriaLogs),
        ("deployed", False, False, KubernetesLogs),
        ("deployed", True, True, KubernetesLogs),
        ("imported", True, False, KubernetesLogs),
    ],
)
def test_lines_are_read_from_the_store_only_of_clusters_that_ship_there(told, origin, ships, previous, reads):
    told(OWN)
    cluster = Cluster.objects.create(name="prod", origin=origin, state="ready")
    if ships:
        cluster_secrets.put(cluster, log_shipping.SECRET, b"secret")
    environment = SimpleNamespace(cluster=cluster, namespace="retail-dev")
    workload = SimpleNamespace(environment=environment, app=SimpleNamespace(name="web"))
    assert isinstance(store_for(workload, previous=previous), reads)
    told()
    assert isinstance(store_for(workload), KubernetesLogs)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("heard", "reads"),
    [({"n1": timezone.now()}, VictoriaLogs), ({}, KubernetesLogs), (None, KubernetesLogs)],
)
def test_an_imported_cluster_is_read_from_the_store_while_a_shipper_of_it_is_heard(
    told, monkeypatch, heard, reads
):
    told(OWN)
    monkeypatch.setattr(log_places, "heard", lambda name: heard if name == "far" else {})
    cluster = Cluster.objects.create(name="far", origin="imported", state="ready")
    environment = SimpleNamespace(cluster=cluster, namespace="retail-dev")
    workload = SimpleNamespace(environment=environment, app=SimpleNamespace(name="web"))
    assert isinstance(store_for(workload), reads)
