"""Drafts are created, revised and discarded as whole steps; what is refused leaves nothing behind."""

import pytest

from clusters.errors import PlanChanged, PlanLocked
from clusters.models import Cluster, Credential, Host, Membership, PlanRevision, Region
from clusters.planning import plan
from clusters.selectors import plans as selectors
from clusters.services import plans
from kcloud_site.audit.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def hosts():
    region = Region.objects.create(name="east")
    credential = Credential.objects.create(name="lab", username="root", sealed_secret=b"x")
    return {
        name: Host.objects.create(
            name=name, region=region, address=f"172.30.0.{n}", credential=credential, state="ready"
        )
        for n, name in enumerate(["m1", "m2", "m3", "w1", "w2", "s1", "s2"], start=11)
    }


def data(**changes):
    return {
        "name": "prod",
        "region": "east",
        "version": "1.34.4",
        "masters": ["m1"],
        "pools": [{"name": "workers", "hosts": ["w1", "w2"]}],
        **changes,
    }


def paths(caught):
    return {problem.path: problem.code for problem in caught.value.problems}


def test_create_cluster_makes_a_draft_with_revision_1(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator, note="first")
    revision, spec = selectors.current_plan(cluster)
    assert (cluster.state, cluster.region.name, cluster.created_by) == ("draft", "east", "operator")
    assert (revision.number, revision.note, revision.by_name) == (1, "first", "operator")
    assert spec == plan.parse(data())


def test_create_cluster_is_audited_with_the_plan(hosts, operator):
    plans.create_cluster(spec=data(), by=operator)
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.object_name) == ("cluster.plan", "operator", "prod")
    assert event.after["masters"] == ["m1"]


def test_create_cluster_touches_no_host(hosts, operator):
    plans.create_cluster(spec=data(), by=operator)
    assert not Host.objects.exclude(cluster=None).exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"region": "west"}, {"region": "unknown"}),
        ({"masters": ["nobody"]}, {"masters": "unknown"}),
        ({"pools": [{"name": "workers", "hosts": ["w1", "ghost"]}]}, {"pools.0.hosts": "unknown"}),
        ({"masters": ["m1", "m2"]}, {"masters": "even"}),
    ],
)
def test_create_cluster_refused_leaves_nothing_behind(hosts, operator, changes, expected):
    with pytest.raises(plan.PlanInvalid) as caught:
        plans.create_cluster(spec=data(**changes), by=operator)
    assert paths(caught) == expected
    assert not Cluster.objects.exists()
    assert not AuditEvent.objects.exists()


def test_create_cluster_refuses_a_taken_name(hosts, operator):
    plans.create_cluster(spec=data(), by=operator)
    with pytest.raises(plan.PlanInvalid) as caught:
        plans.create_cluster(spec=data(), by=operator)
    assert paths(caught) == {"name": "taken"}


def test_create_cluster_refuses_a_host_of_another_cluster_and_names_that_cluster(hosts, operator):
    other = Cluster.objects.create(name="other")
    Host.objects.filter(name="w1").update(cluster=other)
    with pytest.raises(plan.PlanInvalid) as caught:
        plans.create_cluster(spec=data(), by=operator)
    assert "w1 belongs to the cluster other." in str(caught.value)


def test_revise_plan_makes_the_next_revision_and_audits_only_what_changed(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator)
    wanted = data(network={"pod_cidr": "10.100.0.0/16"})
    revision = plans.revise_plan(cluster=cluster, spec=wanted, by=operator, note="move", expected_revision=1)
    event = AuditEvent.objects.first()
    assert revision.number == 2
    assert event.before == {"network.pod_cidr": "10.244.0.0/16"}
    assert event.after == {"network.pod_cidr": "10.100.0.0/16"}
    assert event.reason == "move"


def test_revise_plan_with_the_same_plan_is_no_edit(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator)
    assert plans.revise_plan(cluster=cluster, spec=data(), by=operator, expected_revision=1).number == 1
    assert PlanRevision.objects.count() == 1


def test_revise_plan_from_an_old_revision_says_who_changed_it_and_saves_nothing(hosts, operator, person):
    cluster = plans.create_cluster(spec=data(), by=operator)
    plans.revise_plan(cluster=cluster, spec=data(masters=["m2"]), by=person, expected_revision=1)
    with pytest.raises(PlanChanged, match="person saved revision 2 at ") as caught:
        plans.revise_plan(cluster=cluster, spec=data(masters=["m3"]), by=operator, expected_revision=1)
    assert caught.value.number == 2
    assert selectors.current_plan(cluster)[1].masters == ("m2",)


def test_revise_plan_that_loses_the_race_for_the_number_is_told_so(hosts, operator, person, monkeypatch):
    cluster = plans.create_cluster(spec=data(), by=operator)
    before = selectors.current_plan(cluster)
    plans.revise_plan(cluster=cluster, spec=data(masters=["m2"]), by=person, expected_revision=1)
    answers = [before]
    real = selectors.current_plan
    monkeypatch.setattr(selectors, "current_plan", lambda c: answers.pop() if answers else real(c))
    with pytest.raises(PlanChanged):
        plans.revise_plan(cluster=cluster, spec=data(masters=["m3"]), by=operator, expected_revision=1)
    assert PlanRevision.objects.count() == 2
    assert AuditEvent.objects.count() == 2


@pytest.mark.parametrize("state", ["deploying", "resetting"])
def test_revise_plan_waits_while_an_operation_works_with_it(hosts, operator, state):
    cluster = plans.create_cluster(spec=data(), by=operator)
    Cluster.objects.filter(pk=cluster.pk).update(state=state)
    with pytest.raises(PlanLocked):
        plans.revise_plan(cluster=cluster, spec=data(masters=["m2"]), by=operator, expected_revision=1)


def test_an_imported_cluster_has_no_plan_to_edit(operator):
    cluster = Cluster.objects.create(name="foreign", origin="imported", state="ready")
    with pytest.raises(PlanLocked, match="imported"):
        plans.revise_plan(cluster=cluster, spec=data(), by=operator, expected_revision=1)


def test_the_name_never_changes(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator)
    with pytest.raises(plan.PlanInvalid) as caught:
        plans.revise_plan(cluster=cluster, spec=data(name="other"), by=operator, expected_revision=1)
    assert paths(caught) == {"name": "frozen"}


@pytest.fixture
def running(hosts, operator):
    """A cluster as the deployment leaves it."""
    cluster = plans.create_cluster(spec=data(), by=operator)
    for name, role, pool in (("m1", "master", ""), ("w1", "worker", "workers"), ("w2", "worker", "workers")):
        Membership.objects.create(cluster=cluster, host=hosts[name], role=role, pool=pool)
        Host.objects.filter(name=name).update(cluster=cluster)
    Cluster.objects.filter(pk=cluster.pk).update(state="ready", deployed_revision=1)
    cluster.refresh_from_db()
    return cluster


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"version": "1.33.13"}, "version"),
        ({"network": {"pod_cidr": "10.100.0.0/16"}}, "network.pod_cidr"),
        ({"network": {"service_cidr": "10.112.0.0/16"}}, "network.service_cidr"),
        ({"network": {"dns_domain": "example.internal"}}, "network.dns_domain"),
        ({"masters": ["m1", "m2", "m3"]}, "masters"),
    ],
)
def test_what_a_running_cluster_is_built_with_cannot_be_edited(running, operator, changes, path):
    with pytest.raises(plan.PlanInvalid) as caught:
        plans.revise_plan(cluster=running, spec=data(**changes), by=operator, expected_revision=1)
    assert paths(caught) == {path: "frozen"}


def test_a_running_cluster_may_get_another_worker(running, operator):
    wanted = data(pools=[{"name": "workers", "hosts": ["w1", "w2", "s1"]}])
    assert plans.revise_plan(cluster=running, spec=wanted, by=operator, expected_revision=1).number == 2


def test_a_host_that_serves_cannot_be_left_out_of_the_plan(running, operator):
    wanted = data(pools=[{"name": "workers", "hosts": ["w1"]}])
    with pytest.raises(plan.PlanInvalid, match="w2 would leave the cluster"):
        plans.revise_plan(cluster=running, spec=wanted, by=operator, expected_revision=1)


def test_discard_draft_forgets_cluster_and_revisions_but_not_the_audit_rows(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator)
    plans.discard_draft(cluster=cluster, by=operator)
    assert not Cluster.objects.exists()
    assert not PlanRevision.objects.exists()
    assert [event.action for event in AuditEvent.objects.all()] == ["cluster.discard", "cluster.plan"]


def test_discard_draft_refuses_a_cluster_whose_hosts_were_touched(running, operator):
    with pytest.raises(PlanLocked, match="Reset the cluster first"):
        plans.discard_draft(cluster=running, by=operator)
    assert Cluster.objects.filter(pk=running.pk).exists()


def test_spare_hosts_are_the_regions_free_and_reachable_ones(hosts, running):
    Host.objects.filter(name="s1").update(state="unreachable")
    assert sorted(selectors.spare_hosts("east")) == ["m2", "m3", "s2"]
    assert selectors.spare_hosts("west") == []


def test_history_compares_each_revision_with_the_one_before(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator)
    plans.revise_plan(cluster=cluster, spec=data(masters=["m2"]), by=operator, expected_revision=1)
    newest, first = selectors.history(cluster.revisions.all())
    assert [(change.path, change.before, change.after) for change in newest.changes] == [
        ("masters", ["m1"], ["m2"])
    ]
    assert all(change.before is None for change in first.changes)


def test_only_the_newest_plan_of_another_cluster_takes_networks_and_hosts(hosts, operator):
    cluster = plans.create_cluster(spec=data(), by=operator)
    wanted = data(network={"pod_cidr": "10.100.0.0/16"}, masters=["m2"])
    plans.revise_plan(cluster=cluster, spec=wanted, by=operator, expected_revision=1)
    assert [str(network) for network in selectors.taken_networks(None)["prod"]] == [
        "10.100.0.0/16",
        "10.96.0.0/16",
    ]
    assert selectors.planned_elsewhere(None) == {"m2": "prod", "w1": "prod", "w2": "prod"}
    assert selectors.taken_networks(cluster) == {}
