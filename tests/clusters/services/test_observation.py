"""What the watch writes: only what matters, and only when it changed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.models import Cluster, Node
from clusters.observing.health import Health
from clusters.observing.nodes import node_status
from clusters.services import observation
from tests.clusters.kube_objects import make_cluster, raw_node

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster():
    return make_cluster(health="unknown", health_since=None)


def see(cluster, *raws):
    return observation.replace_nodes(cluster_pk=cluster.pk, seen=[node_status(raw) for raw in raws])


def test_a_list_makes_the_rows_equal_to_it(cluster):
    assert see(cluster, raw_node("w1"), raw_node("w2")) == 2
    assert see(cluster, raw_node("w2"), raw_node("w3")) == 2
    assert list(cluster.nodes.values_list("name", flat=True)) == ["w2", "w3"]


def test_the_same_list_again_changes_nothing_and_writes_nothing(cluster, django_assert_max_num_queries):
    see(cluster, raw_node("w1"), raw_node("w2"))
    with django_assert_max_num_queries(10) as asked:
        assert see(cluster, raw_node("w1"), raw_node("w2")) == 0
    assert not [each for each in asked.captured_queries if each["sql"].startswith(("UPDATE", "INSERT"))]


def test_other_clusters_rows_are_left_alone(cluster):
    other = make_cluster("other")
    see(other, raw_node("w1"))
    see(cluster, raw_node("w1"))
    see(cluster)
    assert other.nodes.count() == 1


def test_a_heartbeat_is_not_written(cluster):
    see(cluster, raw_node("w1"))
    row = Node.objects.get()
    later = raw_node("w1")
    later["status"]["conditions"][1]["lastHeartbeatTime"] = "2026-01-01T00:10:00Z"
    later["status"]["conditions"][1]["message"] = "all is well, again"
    assert observation.record_node(cluster_pk=cluster.pk, seen=node_status(later)) is False
    assert Node.objects.get().seen_at == row.seen_at


def test_a_node_that_falls_ill_is_written_with_reason_and_moment(cluster):
    see(cluster, raw_node("w1"))
    assert observation.record_node(cluster_pk=cluster.pk, seen=node_status(raw_node("w1", ready="Unknown")))
    row = Node.objects.get()
    assert row.ready == "Unknown"
    assert row.ready_reason == "NodeStatusUnknown: Kubelet stopped posting node status."
    assert row.ready_since.isoformat() == "2026-01-01T00:00:00+00:00"


def test_a_ready_condition_that_makes_no_sense_is_unknown(cluster):
    see(cluster, raw_node("w1", ready="Perhaps"))
    assert Node.objects.get().ready == "Unknown"


def test_a_deleted_node_is_gone_and_twice_is_no_change(cluster):
    see(cluster, raw_node("w1"))
    assert observation.remove_node(cluster_pk=cluster.pk, name="w1") is True
    assert observation.remove_node(cluster_pk=cluster.pk, name="w1") is False


def test_health_follows_the_rows_and_since_moves_with_the_state_alone(cluster):
    see(cluster, raw_node("w1"), raw_node("w2", ready="False"))
    observation.judge_cluster(cluster_pk=cluster.pk)
    cluster.refresh_from_db()
    assert (cluster.health, cluster.health_reason) == ("degraded", "1 of 2 nodes not ready: w2.")
    first = cluster.health_since
    see(cluster, raw_node("w1", ready="False"), raw_node("w2"))
    observation.judge_cluster(cluster_pk=cluster.pk)
    cluster.refresh_from_db()
    assert cluster.health_reason == "1 of 2 nodes not ready: w1."
    assert cluster.health_since == first


def test_the_same_verdict_again_writes_nothing(cluster):
    bad = Health("down", "no answer")
    assert observation.record_health(cluster_pk=cluster.pk, health=bad) is True
    assert observation.record_health(cluster_pk=cluster.pk, health=bad) is False


def test_a_cluster_that_is_being_deployed_gets_no_health(cluster):
    Cluster.objects.update(state="deploying")
    assert observation.record_health(cluster_pk=cluster.pk, health=Health("healthy")) is False


def test_an_imported_clusters_version_follows_and_a_deployed_ones_does_not(cluster):
    imported = make_cluster("imported", origin="imported", version="1.33.1")
    for each in (cluster, imported):
        observation.record_version(cluster_pk=each.pk, version="v1.35.0")
        each.refresh_from_db()
    assert (cluster.version, imported.version) == ("1.34.4", "1.35.0")


def test_rows_are_touched_now_and_then_so_that_a_dead_watch_is_seen(cluster):
    see(cluster, raw_node("w1"))
    observation.touch(cluster_pk=cluster.pk)
    fresh = Node.objects.get().seen_at
    old = timezone.now() - timedelta(minutes=2)
    Node.objects.update(seen_at=old)
    observation.touch(cluster_pk=cluster.pk)
    assert Node.objects.get().seen_at >= fresh
