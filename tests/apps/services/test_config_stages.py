"""Publishing by stages: well, not well, cancelled, unreachable; what becomes of revision and pods."""

import itertools
from types import SimpleNamespace

import pytest

from apps.errors import ConfigurationRefused, FourEyes, ValueRefused
from apps.models import ConfigRevision, Deployment, Workload
from apps.services import config_stages, configurations, deployments
from clusters.errors import ClusterUnreachable
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import SubjectBusy
from tests.apps.services.test_configurations import (  # noqa: F401
    PLAIN,
    WEB,
    app,
    cluster,
    draft,
    environment,
    place,
    protect,
    publish,
    running,
)

pytestmark = pytest.mark.django_db
TRIAL = f"{WEB}-trial"


@pytest.fixture(autouse=True)
def _hurried_clock(monkeypatch):
    """Five seconds go by with every look at the clock."""
    ticks = itertools.count(0, 5)
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    for name in ("config_stage_steps", "rollout_watch", "config_trial_return"):
        monkeypatch.setattr(f"apps.services.{name}.time", clock)


@pytest.fixture
def stage(running, publish, draft, operator):  # noqa: F811
    publish(PLAIN)

    def make(**values):
        return config_stages.stage(
            revision=draft({**PLAIN, "value": "x"}), by=operator, wanted=[(50, 20)], **values
        )

    return make


def carry_out(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation


def second():
    return ConfigRevision.objects.get(number=2)


def test_half_of_the_pods_run_it_behind_the_same_service_and_when_well_all_do(stage, cluster):  # noqa: F811
    seen = {}
    apply = cluster.apply

    def watch_apply(obj, force=True):
        if obj["metadata"]["name"] == "web-trial":
            seen.update(obj)
        return apply(obj, force)

    cluster.apply = watch_apply
    operation = stage()
    assert second().state == "trial"
    assert carry_out(operation).state == "succeeded", operation.failure
    labels = seen["spec"]["template"]["metadata"]["labels"]
    assert (seen["spec"]["replicas"], labels["kcloud.local/trial"]) == (1, "true")
    service = cluster.objects["/api/v1/namespaces/retail-dev/services/web"]["spec"]["selector"]
    assert service.items() <= labels.items()
    assert second().state == "published"
    made = Deployment.objects.get(action="config", config_revision=2)
    runner.run(made.operation_id)
    assert Workload.objects.get().config_revision == 2
    assert TRIAL not in cluster.objects


def test_one_that_does_not_come_up_is_withdrawn_with_the_reason_and_nothing_else_changes(stage, cluster):  # noqa: F811
    before = cluster.objects[WEB]["spec"]
    cluster.bad_configs.add("2")
    operation = carry_out(stage())
    assert operation.state == "failed"
    assert "CrashLoopBackOff" in operation.failure["why"]
    row = second()
    assert row.state == "withdrawn"
    assert "did not stay well" in row.reason["what"]
    assert TRIAL not in cluster.objects
    assert not [name for name in cluster.objects if name.endswith("web-variables-2")]
    assert cluster.objects[WEB]["spec"] == before
    assert ConfigRevision.objects.get(number=1).state == "published"
    assert AuditEvent.objects.filter(action="configuration.withdraw").exists()


def test_one_whose_probe_fails_while_it_is_watched_is_withdrawn(stage, cluster):  # noqa: F811
    looks = itertools.count()
    get = cluster.get

    def failing_later(path, **params):
        found = get(path, **params)
        if path.endswith("/events"):
            about = {"kind": "Pod", "name": "web-trial-0"}
            found["items"] = [{"reason": "Unhealthy", "involvedObject": about, "count": 1 + next(looks)}]
        return found

    cluster.get = failing_later
    operation = carry_out(stage())
    assert (operation.state, second().state) == ("failed", "withdrawn")
    assert operation.failure["why"] == "web-trial-0: Unhealthy"


def test_cancelled_it_is_a_draft_again_and_the_pods_on_trial_go(stage, cluster, operator):  # noqa: F811
    operation = stage()
    apply = cluster.apply

    def cancel_then(obj, force=True):
        operations.cancel_operation(operation=operation, by=operator)
        return apply(obj, force)

    cluster.apply = cancel_then
    assert carry_out(operation).state == "cancelled"
    assert second().state == "draft"
    assert TRIAL not in cluster.objects


def test_an_unreachable_cluster_is_no_reason_to_withdraw(stage, cluster):  # noqa: F811
    operation = stage()
    cluster.down = ClusterUnreachable("gone")
    assert carry_out(operation).state == "failed"
    assert second().state == "draft"


def test_while_it_is_on_trial_nobody_edits_withdraws_publishes_or_deploys(stage, draft, operator):  # noqa: F811
    stage()
    row = second()
    for act in (
        lambda: draft({**PLAIN, "value": "y"}),
        lambda: configurations.withdraw(revision=row, by=operator),
        lambda: configurations.publish(revision=row, by=operator),
    ):
        with pytest.raises(ConfigurationRefused, match="on trial"):
            act()
    with pytest.raises(SubjectBusy):
        deployments.restart_workload(workload=Workload.objects.get(), by=operator)


def test_it_needs_a_second_person_where_that_is_the_rule(running, draft, environment, person):  # noqa: F811
    row = draft(PLAIN)
    protect(environment)
    row = ConfigRevision.objects.select_related("environment", "app").get(pk=row.pk)
    with pytest.raises(FourEyes):
        config_stages.stage(revision=row, by=person)


@pytest.mark.parametrize(
    ("share", "seconds"), [(0, 60), (101, 60), (50, 0), (50, 10**6), (True, 60), ("x", 60)]
)
def test_odd_numbers_are_refused(stage, draft, operator, share, seconds):  # noqa: F811
    with pytest.raises(ValueRefused):
        config_stages.stage(revision=draft(PLAIN), by=operator, wanted=[(share, seconds)])


@pytest.mark.parametrize("patience", [0, 10**6, True, "60"])
def test_odd_patience_is_refused(stage, draft, operator, patience):  # noqa: F811
    with pytest.raises(ValueRefused, match="10 to 1800"):
        config_stages.stage(revision=draft(PLAIN), by=operator, patience=patience)


def test_patience_ends_a_trial_whose_pods_are_never_there(stage, cluster):  # noqa: F811
    operation = stage(patience=30)
    cluster.quota = 0  # no pod can be made: nothing is wrong with any
    before = len(cluster.asked)
    assert carry_out(operation).state == "failed"
    assert second().state == "withdrawn"
    looks = [each for each in cluster.asked[before:] if each.endswith("/pods")]
    assert len(looks) < 30  # the clock goes on five seconds with each; 180 s would be about a hundred


def test_nothing_that_runs_means_nothing_to_try_on(draft, operator):  # noqa: F811
    with pytest.raises(ConfigurationRefused, match="does not run"):
        config_stages.stage(revision=draft(PLAIN), by=operator)
