"""Deploying, returning, undoing, scaling, stopping, the bin: what becomes of the rows and of the cluster."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.errors import ReleasePinned, ReleaseRefused, ValueRefused, WorkloadRefused
from apps.models import Deployment, Pin, Workload
from apps.rollouts.strategy import BLUE_GREEN, Strategy
from apps.services import bin as bins
from apps.services import deployments
from clusters.errors import ClusterUnreachable
from clusters.models import Environment
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.operations.models import State
from tests.apps.things import (
    BAD_IMAGE,
    carry_out,
    make_app,
    make_environment,
    make_release,
    operation_of,
    web_spec,
)

pytestmark = pytest.mark.django_db
WEB = "/apis/apps/v1/namespaces/retail-dev/deployments/web"
SERVICE = "/api/v1/namespaces/retail-dev/services/web"
CLAIMS = "/api/v1/namespaces/retail-dev/persistentvolumeclaims"


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def cluster(place):
    cluster = place[1]
    cluster.bad.add(BAD_IMAGE)
    return cluster


@pytest.fixture
def environment(place):
    return place[0]


@pytest.fixture
def app(tenant):
    return make_app(tenant)


@pytest.fixture
def running(app, environment, cluster, operator):
    """Release 1.0 with two pods."""
    made = deploy(app, environment, make_release(app), operator, replicas=2)
    assert made.state == "succeeded", made.reason
    return workload()


def deploy(app, environment, release, by, **values):
    return carry_out(
        deployments.deploy_release(app=app, environment=environment, release=release, by=by, **values)
    )


def workload():
    return Workload.objects.select_related("app", "environment", "tenant", "release").get()


def template(cluster, path=WEB):
    return cluster.objects[path]["spec"]["template"]


def test_a_release_runs_and_is_remembered_as_good(running, cluster):
    assert (running.state, running.observed["available"], running.good_release) == (
        "healthy",
        2,
        running.release,
    )
    assert cluster.objects[WEB]["spec"]["replicas"] == 2
    assert SERVICE in cluster.objects


def test_each_change_leaves_an_audit_event_of_the_request_and_of_its_end(running, operator):
    told = (
        AuditEvent.objects.filter(object_type="apps.workload").order_by("pk").values_list("action", flat=True)
    )
    assert list(told) == ["operation.request", "deployment.deploy", "deployment.available"]


def test_a_bad_release_goes_back_by_itself_and_is_kept_out(running, app, environment, cluster, operator):
    bad = make_release(app, "1.1", web_spec(BAD_IMAGE))
    made = deploy(app, environment, bad, operator)
    now = workload()
    assert (made.state, now.release.version, now.state) == ("returned", "1.0", "healthy")
    assert "1.1" in made.reason["what"]
    assert "ended with code 1" in made.reason["why"]
    assert template(cluster)["spec"]["containers"][0]["image"] != BAD_IMAGE
    assert operation_of(made).state == State.FAILED
    with pytest.raises(ReleasePinned):
        deployments.deploy_release(app=app, environment=environment, release=bad, by=operator)
    deployments.lift_pin(pin=Pin.objects.get(), by=operator)
    cluster.bad.clear()
    assert deploy(app, environment, bad, operator).state == "succeeded"


def test_a_bad_first_release_stays_to_be_looked_at(app, environment, cluster, operator):
    made = deploy(app, environment, make_release(app, "1.0", web_spec(BAD_IMAGE)), operator)
    assert (made.state, workload().state) == ("failed", "down")
    assert not Pin.objects.exists()


def test_without_automatic_return_a_bad_release_stays_to_be_looked_at(
    running, app, environment, cluster, operator
):
    bad = make_release(app, "1.1", web_spec(BAD_IMAGE))
    made = deploy(app, environment, bad, operator, strategy=Strategy(automatic_return=False))
    assert (made.state, workload().release) == ("failed", bad)


def test_an_exceeded_quota_is_named_and_goes_back(running, app, environment, cluster, operator):
    cluster.quota = 2
    made = deploy(app, environment, make_release(app, "1.1"), operator, replicas=3)
    assert made.state == "returned" or "quota" in made.reason["why"]
    assert "quota" in made.reason["why"]


def test_an_unreachable_cluster_is_no_reason_to_go_back(running, app, environment, cluster, operator):
    cluster.down = ClusterUnreachable("The cluster does not answer.")
    second = make_release(app, "1.1")
    made = deploy(app, environment, second, operator)
    assert (made.state, workload().release) == ("failed", second)
    assert not Pin.objects.exists()
    cluster.down = None
    operations.resume_operation(operation=operation_of(made), by=operator)
    assert carry_out(made).state == "succeeded"
    assert workload().good_release == second


def test_one_step_takes_release_configuration_and_replicas_back(running, app, environment, operator):
    first = running.release
    deploy(app, environment, make_release(app, "1.1"), operator, replicas=5)
    made = carry_out(deployments.undo_deployment(workload=workload(), by=operator))
    now = workload()
    assert (made.state, now.release, now.replicas, now.config_revision) == ("succeeded", first, 2, None)


def test_the_first_deployment_cannot_be_undone(running, operator):
    with pytest.raises(WorkloadRefused):
        deployments.undo_deployment(workload=running, by=operator)


def test_scaling_changes_pods_and_nothing_else(running, cluster, operator):
    before = template(cluster)
    made = carry_out(deployments.scale_workload(workload=running, replicas=4, by=operator))
    assert (made.state, workload().observed["available"]) == ("succeeded", 4)
    assert template(cluster) == before


@pytest.mark.parametrize("replicas", [-1, 1001, True, "3", None])
def test_what_is_no_number_of_pods_is_refused_by_field(running, operator, replicas):
    with pytest.raises(ValueRefused) as refused:
        deployments.scale_workload(workload=running, replicas=replicas, by=operator)
    assert refused.value.field == "replicas"


def test_stopped_it_has_no_pods_and_started_as_many_as_before(running, cluster, operator):
    carry_out(deployments.stop_workload(workload=running, by=operator))
    assert (workload().state, cluster.objects[WEB]["spec"]["replicas"]) == ("stopped", 0)
    with pytest.raises(WorkloadRefused):
        deployments.stop_workload(workload=workload(), by=operator)
    carry_out(deployments.start_workload(workload=workload(), by=operator))
    assert (workload().state, cluster.objects[WEB]["spec"]["replicas"]) == ("healthy", 2)


def test_a_restart_makes_every_pod_anew(running, cluster, operator):
    before = template(cluster)
    assert carry_out(deployments.restart_workload(workload=running, by=operator)).state == "succeeded"
    assert template(cluster)["metadata"]["annotations"] != before["metadata"].get("annotations")


def test_blue_and_green_stand_side_by_side_until_the_service_moves(
    running, app, environment, cluster, operator
):
    made = deploy(app, environment, make_release(app, "1.1"), operator, strategy=Strategy(BLUE_GREEN))
    assert (made.state, workload().slot) == ("succeeded", "green")
    assert cluster.objects[SERVICE]["spec"]["selector"]["kcloud.local/slot"] == "green"
    assert WEB not in cluster.objects
    assert f"{WEB}-green" in cluster.objects


def test_a_bad_green_never_gets_the_service(running, app, environment, cluster, operator):
    bad = make_release(app, "1.1", web_spec(BAD_IMAGE))
    made = deploy(app, environment, bad, operator, strategy=Strategy(BLUE_GREEN))
    assert (made.state, workload().slot) == ("returned", "blue")
    assert cluster.objects[SERVICE]["spec"]["selector"]["kcloud.local/slot"] == "blue"
    assert f"{WEB}-green" not in cluster.objects


def test_two_people_at_once_the_second_is_told_of_the_first(running, app, environment, operator):
    first = deployments.deploy_release(
        app=app, environment=environment, release=make_release(app, "1.1"), by=operator
    )
    with pytest.raises(SubjectBusy) as busy:
        deployments.deploy_release(
            app=app, environment=environment, release=make_release(app, "1.2"), by=operator
        )
    assert busy.value.operation_id == first.operation_id
    assert workload().release.version == "1.1"
    assert carry_out(first).state == "succeeded"


def test_a_cancelled_deployment_is_taken_back(running, app, environment, operator):
    made = deployments.deploy_release(
        app=app, environment=environment, release=make_release(app, "1.1"), by=operator
    )
    operations.cancel_operation(operation=operation_of(made), by=operator)
    back = Deployment.objects.order_by("-number").first()
    assert back.action == "undo"
    carry_out(back)
    assert (workload().release.version, workload().state) == ("1.0", "healthy")


def test_a_release_of_another_application_is_refused(app, environment, tenant, operator):
    foreign = make_release(make_app(tenant, "api"))
    with pytest.raises(ReleaseRefused):
        deployments.deploy_release(app=app, environment=environment, release=foreign, by=operator)


def test_a_frozen_environment_takes_no_change(running, app, environment, operator):
    Environment.objects.update(frozen=True)
    environment.refresh_from_db()
    with pytest.raises(WorkloadRefused):
        deployments.deploy_release(app=app, environment=environment, release=running.release, by=operator)


def _claim(cluster):
    cluster.objects[f"{CLAIMS}/data-web-0"] = {
        "metadata": {"name": "data-web-0", "namespace": "retail-dev", "labels": {"kcloud.local/app": "web"}}
    }


def test_removed_it_waits_in_the_bin_with_its_volumes_and_comes_back(running, cluster, operator):
    _claim(cluster)
    with pytest.raises(ValueRefused):
        bins.remove_workload(workload=running, by=operator, confirm_name="wbe")
    carry_out(bins.remove_workload(workload=running, by=operator, confirm_name="web"))
    now = workload()
    assert (now.state, now.release) == ("binned", running.release)
    assert {WEB, SERVICE}.isdisjoint(cluster.objects)
    assert f"{CLAIMS}/data-web-0" in cluster.objects
    with pytest.raises(WorkloadRefused):
        deployments.scale_workload(workload=now, replicas=1, by=operator)
    carry_out(bins.restore_workload(workload=now, by=operator))
    assert (workload().state, cluster.objects[WEB]["spec"]["replicas"]) == ("healthy", 2)


def test_emptied_by_hand_or_by_time_its_volumes_and_itself_are_gone(running, cluster, operator):
    _claim(cluster)
    carry_out(bins.remove_workload(workload=running, by=operator, confirm_name="web"))
    assert bins.empty_due(timezone.now()) == 0
    assert bins.empty_due(timezone.now() + bins.GRACE + timedelta(minutes=1)) == 1
    runner.run(Deployment.objects.order_by("-number").first().operation_id)
    assert not Workload.objects.exists()
    assert f"{CLAIMS}/data-web-0" not in cluster.objects
