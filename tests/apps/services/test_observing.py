"""What the watch of pods means for workloads."""

import pytest

from apps.models import App, Release, SeenPods, Workload
from apps.services.deployments import MOST_REPLICAS
from apps.services.observing import record_pods
from clusters.models import Environment
from clusters.signals import pods_changed
from tests.clusters.kube_objects import make_cluster
from tests.clusters.pod_objects import raw_pod, seen

KEY = ("retail-dev", "web")
pytestmark = pytest.mark.django_db


@pytest.fixture
def workload(tenant):
    cluster = make_cluster("shared")
    environment = Environment.objects.create(
        tenant=tenant, cluster=cluster, name="dev", namespace=KEY[0], stage="dev"
    )
    app = App.objects.create(tenant=tenant, name="web")
    release = Release.objects.create(tenant=tenant, app=app, number=2, version="2", spec={})
    return Workload.objects.create(
        tenant=tenant, app=app, environment=environment, release=release, replicas=2, state="healthy"
    )


def told(workload, *pods, whole=False, key=KEY):
    changed = record_pods(
        cluster_pk=workload.environment.cluster_id, pods={key: seen(*pods)} if pods else {}, whole=whole
    )
    workload.refresh_from_db()
    return changed


def test_all_pods_serving_is_healthy(workload):
    workload.state = "down"
    workload.save()
    told(workload, raw_pod("a", release="2"), raw_pod("b", release="1"))
    assert workload.state == "healthy"
    assert workload.observed == {"desired": 2, "updated": 1, "ready": 2, "available": 2, "pods": 2}
    assert workload.seen_at is not None
    assert workload.state_reason == {}


def test_some_serving_is_degraded_with_the_reason_of_one_that_does_not(workload):
    told(workload, raw_pod("a"), raw_pod("b", ready=False, waiting="CrashLoopBackOff", last="OOMKilled"))
    assert workload.state == "degraded"
    assert workload.state_reason["what"] == "1 of 2 pods serve."
    assert workload.state_reason["why"] == "b: CrashLoopBackOff OOMKilled why"


def test_none_serving_is_down_and_a_pod_that_leaves_does_not_count(workload):
    told(workload, raw_pod("a", leaving=True), raw_pod("b", ready=False))
    assert workload.state == "down"
    assert workload.observed["pods"] == 2


@pytest.mark.parametrize("state", ["updating", "binned", "new"])
def test_what_an_operation_is_responsible_for_keeps_its_state(workload, state):
    Workload.objects.update(state=state)
    told(workload, raw_pod("a", ready=False))
    assert workload.state == state
    assert SeenPods.objects.get().total == 1


def test_one_that_should_not_run_is_stopped(workload):
    Workload.objects.update(stopped=True)
    told(workload, raw_pod("a", leaving=True))
    assert workload.state == "stopped"


def test_the_same_again_writes_nothing(workload, django_assert_num_queries):
    told(workload, raw_pod("a"))
    pods, cluster_pk = {KEY: seen(raw_pod("a"))}, workload.environment.cluster_id
    # The transaction's two and the one that reads.
    with django_assert_num_queries(3):
        assert record_pods(cluster_pk=cluster_pk, pods=pods) == 0


def test_pages_find_the_unwell_pods_first_and_no_more_than_a_rollout_has(workload):
    pods = [raw_pod(f"p{number:04}") for number in range(SeenPods.MOST + 1)]
    told(workload, *pods, raw_pod("zz", ready=False, waiting="ErrImagePull"))
    kept = workload.seen_pods
    assert (kept.total, len(kept.rows)) == (SeenPods.MOST + 2, SeenPods.MOST)
    assert kept.rows[0]["name"] == "zz"
    assert kept.tenant_id == workload.tenant_id


def test_a_whole_list_without_it_means_that_it_has_no_pods(workload):
    told(workload, raw_pod("a"), raw_pod("b"))
    told(workload, raw_pod("c", app="other"), whole=True, key=("retail-dev", "other"))
    assert workload.state == "down"
    assert workload.observed["pods"] == 0
    assert SeenPods.objects.get().rows == []


def test_the_same_name_elsewhere_is_another_application(workload):
    told(workload, raw_pod("a", namespace="x-dev"), key=("x-dev", "web"))
    assert workload.observed == {}


def test_the_signal_reaches_the_service(workload):
    pods_changed.send(
        sender=None, cluster_pk=workload.environment.cluster_id, pods={KEY: seen(raw_pod("a"))}, whole=False
    )
    workload.refresh_from_db()
    assert workload.observed["ready"] == 1


def test_the_cost_of_telling_grows_with_what_changed(workload, django_assert_max_num_queries):
    app = workload.app
    more = [App.objects.create(tenant=app.tenant, name=f"a{number}") for number in range(20)]
    for each in more:
        Workload.objects.create(
            tenant=app.tenant, app=each, environment=workload.environment, replicas=1, state="healthy"
        )
    with django_assert_max_num_queries(12):
        told(workload, raw_pod("a"))


def test_more_pods_are_kept_than_a_workload_can_be_scaled_to():
    assert SeenPods.MOST >= 2 * MOST_REPLICAS
