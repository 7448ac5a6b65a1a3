"""Several stages: the way through them, what a person may order at each, and StatefulSets from the highest pod on."""

import itertools
from types import SimpleNamespace

import pytest

from apps.errors import ConfigurationChanged, ConfigurationRefused, ValueRefused
from apps.models import ConfigRevision, Deployment, Workload
from apps.services import config_stages, deployments, healing_rounds
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations.models import LogLine, Step
from tests.apps.services.test_configurations import (  # noqa: F401
    PLAIN,
    app,
    cluster,
    draft,
    environment,
    place,
    publish,
)
from tests.apps.things import carry_out as deployed
from tests.apps.things import make_release, web_spec

pytestmark = pytest.mark.django_db
WANTED = [(20, 20), (50, 30), (100, 20)]
PODS = "/api/v1/namespaces/retail-dev/pods/"


@pytest.fixture(autouse=True)
def _hurried_clock(monkeypatch):
    """Five seconds go by with every look at the clock."""
    ticks = itertools.count(0, 5)
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    for name in ("config_stage_steps", "rollout_watch", "config_trial_return"):
        monkeypatch.setattr(f"apps.services.{name}.time", clock)


@pytest.fixture
def run_there(app, environment, operator):  # noqa: F811
    def run(kind="Deployment", replicas=10):
        spec = web_spec(kind=kind, configuration={"environment": True, "path": "/etc/app"})
        if kind == "StatefulSet":
            spec["service"]["headless"] = True
        made = deployments.deploy_release(
            app=app,
            environment=environment,
            release=make_release(app, spec=spec),
            by=operator,
            replicas=replicas,
        )
        assert deployed(made).state == "succeeded", made.reason
        return Workload.objects.get()

    return run


@pytest.fixture
def begin(run_there, publish, draft, operator):  # noqa: F811
    def start(kind="Deployment", wanted=WANTED, replicas=10, **values):
        run_there(kind, replicas)
        publish(PLAIN)
        return config_stages.stage(
            revision=draft({**PLAIN, "value": "x"}), by=operator, wanted=wanted, **values
        )

    return start


def carry_out(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation


def second():
    return ConfigRevision.objects.get(number=2)


def promoted():
    return deployed(Deployment.objects.get(action="config", config_revision=2))


def configs(cluster, prefix="web-"):  # noqa: F811
    """Each pod's revision, by name."""
    return {
        path.removeprefix(PODS): pod["metadata"]["annotations"].get("kcloud.local/config")
        for path, pod in sorted(cluster.objects.items())
        if path.startswith(f"{PODS}{prefix}")
    }


def at_each_look(cluster, act):  # noqa: F811
    """Call `act` whenever the pods are looked at."""
    get = cluster.get

    def watched(path, **params):
        if path.endswith("/pods"):
            act()
        return get(path, **params)

    cluster.get = watched


def test_it_goes_through_all_stages_and_is_watched_at_the_last_too(begin, cluster):  # noqa: F811
    sizes = []
    apply = cluster.apply

    def seen(obj, force=True):
        if obj["metadata"]["name"] == "web-trial":
            sizes.append((second().trial_stage, obj["spec"]["replicas"]))
        return apply(obj, force)

    cluster.apply = seen
    operation = begin()
    assert carry_out(operation).state == "succeeded", operation.failure
    assert sizes == [(1, 2), (2, 5)]
    watched = dict(Step.objects.filter(operation=operation).values_list("key", "outcome__watched"))
    assert watched == {"stage-1": 20, "stage-2": 30}
    made = promoted()
    assert (made.state, made.strategy["watch"]) == ("succeeded", 20)
    assert set(configs(cluster).values()) == {"2"}
    assert Step.objects.get(operation=made.operation_id, key="rollout").outcome["watched"] == 20


def test_a_later_stage_that_is_not_well_takes_it_off_all(begin, cluster):  # noqa: F811
    def break_the_fourth():
        pod = cluster.objects.get(f"{PODS}web-trial-3")
        if pod:
            pod["status"]["containerStatuses"][0]["restartCount"] = 1

    at_each_look(cluster, break_the_fourth)
    operation = carry_out(begin())
    assert operation.state == "failed"
    assert Step.objects.get(operation=operation, key="stage-1").state == "succeeded"
    assert second().state == "withdrawn"
    assert "web-trial-3" in second().reason["why"]
    assert set(configs(cluster).values()) == {"1"}


def test_the_last_stage_returns_by_itself_too(begin, cluster):  # noqa: F811
    carry_out(begin())
    pods = itertools.count()

    def break_one_later():
        if next(pods) == 2:
            cluster.objects[f"{PODS}web-7"]["status"]["containerStatuses"][0]["restartCount"] = 1

    at_each_look(cluster, break_one_later)
    made = promoted()
    assert made.state == "returned"
    assert made.reason["why"] == "web-7: Restarted"
    assert Workload.objects.get().config_revision == 1
    assert (second().state, second().reason["why"]) == ("withdrawn", "web-7: Restarted")


def test_held_it_stays_at_its_stage_until_it_is_let_go_on(begin, cluster, operator):  # noqa: F811
    operation = begin()
    looks = itertools.count()

    def order():
        row, look = second(), next(looks)
        if look == 1:
            config_stages.hold(revision=row, by=operator)
        if look == 40:
            assert (row.trial_stage, row.trial_held) == (1, True)
            config_stages.proceed(revision=row, by=operator, stage=1)

    at_each_look(cluster, order)
    assert carry_out(operation).state == "succeeded", operation.failure
    assert next(looks) > 40
    texts = list(LogLine.objects.filter(operation=operation).values_list("text", flat=True))
    assert "A person holds it here." in texts
    assert "A person let it go on." in texts
    actions = AuditEvent.objects.filter(action__in=("configuration.hold", "configuration.proceed"))
    assert {each.actor for each in actions} == {operator.get_username()}


def test_held_and_forgotten_it_is_a_draft_again(begin, cluster, operator):  # noqa: F811
    operation = begin()
    config_stages.hold(revision=second(), by=operator)
    assert carry_out(operation).state == "failed"
    assert "held for an hour" in operation.failure["what"]
    assert second().state == "draft"
    assert set(configs(cluster).values()) == {"1"}


def test_it_is_never_let_go_on_past_pods_that_are_not_ready(begin, cluster, operator):  # noqa: F811
    operation = begin()
    cluster.bad_configs.add("2")
    ConfigRevision.objects.filter(number=2).update(trial_stage=1)
    config_stages.proceed(revision=second(), by=operator, stage=1)
    assert carry_out(operation).state == "failed"
    assert second().state == "withdrawn"


def test_going_on_is_meant_for_the_stage_that_was_seen(begin, operator):
    begin()
    ConfigRevision.objects.filter(number=2).update(trial_stage=2)
    with pytest.raises(ConfigurationChanged, match="another stage"):
        config_stages.proceed(revision=second(), by=operator, stage=1)
    assert second().trial_passed == 0


def test_given_back_it_is_a_draft_and_nothing_is_left_of_it(begin, cluster, operator):  # noqa: F811
    operation = begin()
    looks = itertools.count()

    def order():
        if next(looks) == 8:
            config_stages.give_back(revision=second(), by=operator)

    at_each_look(cluster, order)
    assert carry_out(operation).state == "cancelled"
    assert second().state == "draft"
    assert set(configs(cluster).values()) == {"1"}
    assert not [name for name in cluster.objects if name.endswith("web-variables-2")]


def test_without_a_trial_there_is_nothing_to_order(run_there, draft, operator):  # noqa: F811
    run_there()
    row = draft(PLAIN)
    for act in (
        lambda: config_stages.hold(revision=row, by=operator),
        lambda: config_stages.proceed(revision=row, by=operator, stage=1),
        lambda: config_stages.give_back(revision=row, by=operator),
    ):
        with pytest.raises(ConfigurationRefused, match="not on trial"):
            act()


def test_a_worker_that_takes_over_goes_on_where_the_time_stood(begin, cluster, monkeypatch):  # noqa: F811
    operation = begin()
    looks = itertools.count()

    def die():
        if next(looks) == 4:
            raise SystemExit

    at_each_look(cluster, die)
    with pytest.raises(SystemExit):
        runner.run(operation.pk)
    kept = Step.objects.get(operation=operation, key="stage-1").outcome
    assert 0 < kept["watched"] < 20
    assert carry_out(operation).state == "succeeded", operation.failure


# ---- StatefulSets


def test_a_statefulset_gets_it_from_the_highest_pod_on(begin, cluster):  # noqa: F811
    seen = []
    operation = begin("StatefulSet", [(20, 20), (50, 20)], replicas=4)
    at_each_look(cluster, lambda: seen.append(configs(cluster)))
    carry_out(operation)
    assert operation.state == "succeeded", operation.failure
    old, new = "1", "2"
    assert seen[0] == {"web-0": old, "web-1": old, "web-2": old, "web-3": new}
    assert seen[-1] == {"web-0": old, "web-1": old, "web-2": new, "web-3": new}
    assert not [name for name in cluster.objects if "trial" in name]
    assert promoted().state == "succeeded"
    assert set(configs(cluster).values()) == {new}
    made = cluster.objects["/apis/apps/v1/namespaces/retail-dev/statefulsets/web"]["spec"]
    assert not (made.get("updateStrategy") or {}).get("rollingUpdate")


def test_a_statefulset_on_which_it_does_not_come_up_is_as_before(begin, cluster):  # noqa: F811
    cluster.bad_configs.add("2")
    operation = carry_out(begin("StatefulSet", [(50, 20)], replicas=4))
    assert operation.state == "failed"
    assert second().state == "withdrawn"
    assert set(configs(cluster).values()) == {"1"}
    assert not [name for name in cluster.objects if name.endswith("web-variables-2")]


def test_self_healing_leaves_a_trial_alone(begin, cluster, monkeypatch):  # noqa: F811
    operation = begin("StatefulSet", [(50, 20)], replicas=4)
    monkeypatch.setattr(healing_rounds, "DRIFT_EVERY", healing_rounds.DRIFT_EVERY * 0)
    found = []
    at_each_look(cluster, lambda: found.append(list(healing_rounds._rows())))
    assert carry_out(operation).state == "succeeded", operation.failure
    assert found
    assert not any(found)


# ---- before it begins


def test_the_plan_says_how_many_pods_each_stage_has(run_there, draft):  # noqa: F811
    run_there(replicas=40)
    planned = config_stages.plan_of(revision=draft(PLAIN))
    assert [(each.share, each.pods) for each in planned] == [(5, 2), (25, 10), (100, 40)]
    with pytest.raises(ValueRefused, match="larger than the one before"):
        config_stages.plan_of(revision=ConfigRevision.objects.get(), wanted=[(50, 60), (20, 60)])


def test_what_was_adopted_is_not_tried(run_there, draft, operator):  # noqa: F811
    run_there()
    row = draft(PLAIN)
    Workload.objects.update(adopted={"kind": "Deployment", "name": "old", "release": 1})
    with pytest.raises(ConfigurationRefused, match="others made"):
        config_stages.stage(revision=row, by=operator)
