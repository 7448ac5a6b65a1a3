"""Self-healing of applications: the ladder carried out, what waits for a person, what is put back; nothing unsaid."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.errors import HealingRefused
from apps.models import Deployment, HealingDecision, Release, SeenPods, Workload
from apps.rollouts.strategy import BLUE_GREEN, RECREATE, Strategy
from apps.services import deployments, healing, healing_drift, healing_nodes, healing_rounds
from clusters.healing.nodes import Verdict, Witness
from clusters.healing.pods import Placed
from clusters.services import node_decisions
from kcloud_site.audit.models import AuditEvent
from tests.apps.things import carry_out, make_app, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def workload(place, tenant, operator, monkeypatch):
    """Running, with a release that was good before the present one."""
    environment, _fake = place
    monkeypatch.setattr(healing_rounds, "_is_due", lambda _workload: False)
    app = make_app(tenant)
    spec = web_spec()
    spec["containers"][0]["resources"] = {"limits": {"memory": "100Mi"}}
    for version in ("1.0", "1.1"):
        release = make_release(app, version, spec)
        done = deployments.deploy_release(app=app, environment=environment, release=release, by=operator)
        assert carry_out(done).state == "succeeded"
    found = Workload.objects.get()
    Workload.objects.update(seen_at=timezone.now())
    found.refresh_from_db()
    return found


def crash(place, workload, reason="Error"):
    """Its containers end again and again."""
    for name, each in place[1].objects.items():
        if "/pods/" in name:
            (container,) = each["status"]["containerStatuses"]
            container.update(ready=False, restartCount=5, state={"waiting": {"reason": "CrashLoopBackOff"}})
            container["lastState"] = {"terminated": {"reason": reason, "exitCode": 137}}
    Workload.objects.update(state="down")
    workload.refresh_from_db()


def no_way_back(workload):
    """What ran before is kept out."""
    deployments.pin_release(workload, Release.objects.get(version="1.0"), {})


def finish():
    """Whatever was begun is carried out; what was decided before is some time ago."""
    for deployment in Deployment.objects.filter(state="pending"):
        carry_out(deployment)
    past = timezone.now() - timedelta(minutes=6)
    HealingDecision.objects.update(first_at=past, last_at=past)


def decisions():
    return [(row.rung, row.state, row.why) for row in HealingDecision.objects.order_by("id")]


def test_what_is_well_is_left_alone(workload):
    assert healing_rounds.look_after() == 0
    assert decisions() == []


def test_crash_loops_climb_restart_then_return_then_a_person(place, workload):
    crash(place, workload)
    healing_rounds.look_after()
    assert decisions() == [("restart", "done", "crash-loop")]
    newest = Deployment.objects.first()
    assert (newest.action, newest.requested_by) == ("restart", "self-healing")
    finish()
    crash(place, workload)
    healing_rounds.look_after()
    assert decisions()[-1] == ("return", "done", "crash-loop")
    assert HealingDecision.objects.get(rung="return").release.version == "1.1"
    finish()
    workload.refresh_from_db()
    assert workload.release.version == "1.0"
    assert workload.pins.get().release.version == "1.1"


def test_when_no_rung_is_left_a_person_is_called_once(place, workload):
    no_way_back(workload)
    crash(place, workload)
    healing_rounds.look_after()
    finish()
    crash(place, workload)
    healing_rounds.look_after()
    healing_rounds.look_after()
    row = HealingDecision.objects.get(state="alert")
    assert (row.why, row.count) == ("exhausted", 2)
    assert AuditEvent.objects.filter(action="healing.alert").count() == 1


def test_it_rests_between_actions_and_says_until_when(place, workload):
    crash(place, workload)
    healing_rounds.look_after()
    for deployment in Deployment.objects.filter(state="pending"):
        carry_out(deployment)
    crash(place, workload)
    healing_rounds.look_after()
    assert decisions()[-1] == ("return", "held", "cooldown")
    assert HealingDecision.objects.first().seen["until"]


def test_more_memory_is_suggested_with_its_figure_and_approval_deploys_it(
    place, workload, operator, monkeypatch
):
    no_way_back(workload)
    crash(place, workload, "OOMKilled")
    healing_rounds.look_after()
    row = HealingDecision.objects.get()
    assert (row.rung, row.state, row.seen["memory"]) == ("memory", "open", 150 * 1024**2)
    healing_rounds.look_after()
    assert HealingDecision.objects.count() == 1
    monkeypatch.setattr("apps.services.releases.pinned", lambda spec, _app, _by: spec)
    healing.approve(decision=row, by=operator)
    workload.refresh_from_db()
    assert workload.release.spec["containers"][0]["resources"]["limits"]["memory"] == "150Mi"
    assert (row.state, row.decided_by) == ("done", "operator")
    with pytest.raises(HealingRefused):
        healing.decline(decision=row, by=operator)


def test_what_was_declined_is_not_suggested_again(place, workload, operator):
    no_way_back(workload)
    crash(place, workload, "OOMKilled")
    healing_rounds.look_after()
    healing.decline(decision=HealingDecision.objects.get(), by=operator)
    healing_rounds.look_after()
    assert decisions() == [("memory", "declined", "out-of-memory"), ("alert", "alert", "exhausted")]


def test_without_consent_it_only_asks(place, workload, operator):
    healing.set_consents(workload=workload, modes={"restart": "approve", "nonsense": "x"}, by=operator)
    crash(place, workload)
    healing_rounds.look_after()
    assert decisions() == [("restart", "open", "crash-loop")]
    assert not Deployment.objects.filter(action="restart").exists()
    healing.approve(decision=HealingDecision.objects.get(), by=operator)
    assert Deployment.objects.first().action == "restart"
    assert AuditEvent.objects.filter(action="healing.consent").get().after == {"restart": "approve"}


def test_a_suggestion_about_what_no_longer_runs_is_refused(place, workload, operator):
    healing.set_consents(workload=workload, modes={"restart": "suggest"}, by=operator)
    crash(place, workload)
    healing_rounds.look_after()
    Workload.objects.update(release=Release.objects.get(version="1.0"))
    with pytest.raises(HealingRefused):
        healing.approve(decision=HealingDecision.objects.get(), by=operator)


# --- drift ---------------------------------------------------------------------------------------


def deployed(fake):
    return next(each for name, each in fake.objects.items() if name.endswith("/deployments/web"))


def test_what_others_changed_is_put_back_and_the_difference_recorded(place, workload):
    deployed(place[1])["spec"]["replicas"] = 7
    assert healing_drift.put_back(workload) is True
    assert deployed(place[1])["spec"]["replicas"] == workload.replicas
    row = HealingDecision.objects.get()
    assert (row.rung, row.state) == ("drift", "done")
    (difference,) = row.seen["differences"]
    assert (difference["where"], difference["found"]) == ("spec.replicas", "7")
    assert healing_drift.put_back(workload) is False


def test_not_while_somebody_deploys(place, workload):
    deployed(place[1])["spec"]["replicas"] = 7
    Workload.objects.update(state="updating")
    assert healing_drift.put_back(workload) is False
    assert deployed(place[1])["spec"]["replicas"] == 7


def test_where_nobody_consented_the_difference_is_only_shown(place, workload, operator):
    healing.set_consents(workload=workload, modes={"drift": "suggest"}, by=operator)
    deployed(place[1])["spec"]["replicas"] = 7
    assert healing_drift.put_back(workload) is False
    healing.approve(decision=HealingDecision.objects.get(), by=operator)
    assert healing_drift.put_back(workload) is True


@pytest.mark.parametrize("way", [RECREATE, BLUE_GREEN])
def test_the_way_it_was_deployed_in_is_no_difference(place, workload, operator, way):
    release = Release.objects.get(version="1.0")
    made = deployments.deploy_release(
        app=workload.app, environment=place[0], release=release, by=operator, strategy=Strategy(way)
    )
    assert carry_out(made).state == "succeeded"
    assert healing_drift.put_back(Workload.objects.get()) is False
    assert decisions() == []


def test_one_yes_is_for_one_difference(place, workload, operator):
    healing.set_consents(workload=workload, modes={"drift": "approve"}, by=operator)
    deployed(place[1])["spec"]["replicas"] = 7
    healing_drift.put_back(workload)
    healing.approve(decision=HealingDecision.objects.get(), by=operator)
    assert healing_drift.put_back(workload) is True
    deployed(place[1])["spec"]["replicas"] = 7
    assert healing_drift.put_back(workload) is False
    assert decisions() == [("drift", "done", "drift")] * 2 + [("drift", "open", "drift")]


def test_what_nobody_here_manages_is_left_alone(place, workload):
    found = deployed(place[1])
    found["metadata"]["annotations"] = {"somebody.example/note": "mine"}
    found["spec"]["replicas"] = 7
    assert healing_drift.put_back(workload) is True
    assert deployed(place[1])["metadata"]["annotations"]["somebody.example/note"] == "mine"
    (difference,) = HealingDecision.objects.get().seen["differences"]
    assert difference["where"] == "spec.replicas"


def test_what_was_adopted_is_never_put_in_our_form(place, workload, monkeypatch):
    monkeypatch.setattr(healing_rounds, "_is_due", lambda _workload: True)
    Workload.objects.update(adopted={"kind": "Deployment", "name": "old"})
    deployed(place[1])["spec"]["replicas"] = 7
    assert healing_rounds.look_after() == 0
    assert decisions() == []


def test_decisions_about_several_things_are_counted_each_for_itself(workload):
    for _turn in range(3):
        for rung in ("drift", "stuck-pod"):
            healing.record(workload=workload, rung=rung, state="alert", why="fence")
    assert [row.count for row in HealingDecision.objects.all()] == [3, 3]


def test_one_who_keeps_changing_it_back_is_left_to_a_person(place, workload):
    for _turn in range(healing_drift.MOST_REPAIRS):
        deployed(place[1])["spec"]["replicas"] = 7
        assert healing_drift.put_back(workload) is True
    deployed(place[1])["spec"]["replicas"] = 7
    assert healing_drift.put_back(workload) is False
    assert decisions()[-1] == ("drift", "alert", "drift-again")


# --- pods that do not end ------------------------------------------------------------------------


def leaving(place, **metadata):
    """Its one pod should have ended long ago; the application itself is well. Its name."""
    (name,) = [name for name in place[1].objects if "/pods/" in name]
    place[1].objects[name]["metadata"] |= {"deletionTimestamp": "2026-01-01T00:00:00Z", **metadata}
    rows = [{"name": name.rsplit("/", 1)[1], "leaving": True}]
    workload = Workload.objects.get()
    SeenPods.objects.update_or_create(
        workload=workload, defaults={"tenant_id": workload.tenant_id, "rows": rows, "total": 1}
    )
    return name


def test_a_pod_that_does_not_end_is_removed_although_another_took_its_place(place, workload):
    name = leaving(place)
    healing_rounds.look_after()
    assert name not in place[1].objects
    assert decisions() == [("stuck-pod", "done", "stuck")]
    assert place[1].graces[-1] == 0


def test_without_consent_a_stuck_pod_waits_for_a_person(place, workload, operator):
    healing.set_consents(workload=workload, modes={"stuck-pod": "suggest"}, by=operator)
    name = leaving(place)
    for _turn in range(2):
        healing_rounds.look_after()
    assert name in place[1].objects
    assert decisions() == [("stuck-pod", "open", "stuck")]
    healing.approve(decision=HealingDecision.objects.get(), by=operator)
    healing_rounds.look_after()
    assert name not in place[1].objects


def test_a_finalizer_is_taken_away_only_by_a_persons_word(place, workload, operator):
    name = leaving(place, finalizers=["backup.example/hold"])
    for _turn in range(2):
        healing_rounds.look_after()
    row = HealingDecision.objects.get()
    assert (row.state, row.why, row.mode, row.count) == ("open", "finalizer", "approve", 2)
    assert "backup.example/hold" in row.seen["evidence"]
    assert name in place[1].objects
    healing.approve(decision=row, by=operator)
    healing_rounds.look_after()
    assert name not in place[1].objects
    assert decisions()[-1] == ("stuck-pod", "done", "finalizer")


def test_a_finalizer_somebody_wants_to_keep_is_not_asked_about_again(place, workload, operator):
    name = leaving(place, finalizers=["backup.example/hold"])
    healing_rounds.look_after()
    healing.decline(decision=HealingDecision.objects.get(), by=operator)
    healing_rounds.look_after()
    assert name in place[1].objects
    assert decisions() == [("stuck-pod", "declined", "finalizer")]


def test_a_pod_with_an_identity_is_touched_only_when_its_end_was_reported(place, workload):
    name = leaving(place)
    Release.objects.update(spec={**workload.release.spec, "kind": "StatefulSet"})
    healing_rounds.look_after()
    assert decisions() == [("stuck-pod", "alert", "fence")]
    (container,) = place[1].objects[name]["status"]["containerStatuses"]
    container["state"] = {"terminated": {"exitCode": 0}}
    healing_rounds.look_after()
    assert name not in place[1].objects


# --- lost nodes ----------------------------------------------------------------------------------


def placed(name="web-1"):
    return Placed("retail-dev", name, "u", "web", "replace")


def test_a_lost_node_is_told_to_the_workloads_it_concerned(place, workload):
    witnesses = (Witness("probe", "2"), Witness("peer", "w2"))
    verdict = Verdict("w1", "lost", "witnesses", witnesses)
    cluster = workload.environment.cluster
    row = node_decisions.record(cluster_pk=cluster.pk, verdict=verdict, failing_since=None)
    assert healing_nodes.OWNER.refused(cluster.pk, [placed()]) == {}
    healing_nodes.OWNER.told(row, [placed()], [])
    decision = HealingDecision.objects.get()
    assert (decision.rung, decision.seen["node"], decision.seen["items"]) == ("node-loss", "w1", ["web-1"])


def test_a_workload_that_wants_to_be_asked_is_asked_once(place, workload, operator):
    healing.set_consents(workload=workload, modes={"node-loss": "approve"}, by=operator)
    cluster = workload.environment.cluster
    for _turn in range(2):
        assert list(healing_nodes.OWNER.refused(cluster.pk, [placed()])) == [placed().path]
    healing.approve(decision=HealingDecision.objects.get(), by=operator)
    assert healing_nodes.OWNER.refused(cluster.pk, [placed()]) == {}
