"""Nodes lost on a real cluster: what two witnesses agree on is healed under load, what only one says is left alone.

One lab of four hosts for the whole file; the tests are steps of one story and run in this order: an application on
three workers; an agent that is frozen and a network path that is cut, neither of which is a lost node; a node without
power; the same node back.
"""

from types import SimpleNamespace

import pytest
from django.core.management import call_command

from clusters import access
from clusters.bundle import locations
from clusters.lab import faults
from clusters.lab import hosts as lab_hosts
from clusters.models import Cluster, NodeDecision
from clusters.services import deployment, node_decisions
from clusters.services.node_probing import Board, Warden
from kcloud_site.operations.models import State
from tests.databases import using
from tests.lab.losing_nodes import Load, ready_off, spread, uids, whole_again
from tests.lab.test_deploy import VERSION, _enrol, carry_out, on, planned
from tests.operations.processes import until

pytestmark = pytest.mark.lab

LAB, SUBNET, GATEWAY = "t-healing", "172.31.243.0/24", "172.31.243.1"
REPLICAS = 6


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal of its own with a cluster of one master and three workers, and the watch process' warden of it."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=4, prefix="h", subnet=SUBNET)
        try:
            site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
            cluster = planned(site, "shared", ["h1"], ["h2", "h3", "h4"])
            operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
            assert operation.state == State.SUCCEEDED, operation.failure
            warden = Warden(cluster.pk, Board())
            warden.start()
            yield site
            warden.stop()
            warden.join(10)
        finally:
            lab_hosts.down(name=LAB)


@pytest.fixture
def admin(site):
    return access.kubernetes_for(Cluster.objects.get(name="shared"))


def decisions(node):
    rows = NodeDecision.objects.filter(node=node).order_by("id")
    return [(row.action, row.why) for row in rows]


def test_an_application_runs_on_all_workers(site, admin):
    spread(admin, REPLICAS)
    assert decisions("h3") == []


def test_a_frozen_agent_on_a_living_host_is_no_lost_node(site, admin):
    before = uids(admin)
    on(site, "h3", "pkill -STOP -x kubelet; sleep 5; pkill -CONT -x kubelet")
    assert (decisions("h3"), uids(admin)) == ([], before)


def test_a_cut_between_portal_and_node_alone_is_no_lost_node(site, admin):
    """The portal cannot reach it, its neighbours can: one witness."""
    before = uids(admin)
    rule = f"INPUT -s {GATEWAY} -p tcp -m multiport --dports 22,10250 -j DROP"
    on(site, "h3", f"iptables -I {rule}; nohup sh -c 'sleep 8; iptables -D {rule}' >/dev/null 2>&1 &")
    until(lambda: decisions("h3") != [], 30)
    until(lambda: on(site, "h3", "true") == "", 60)
    assert {action for action, _why in decisions("h3")} == {"wait"}
    assert uids(admin) == before


def test_a_node_without_power_is_replaced_under_load(site, admin):
    with Load(site.lab.host("h2").address) as load:
        until(lambda: load.asked > 20, 30)
        assert load.failed == 0
        faults.kill(site.lab.host("h4"))
        took = whole_again(admin, REPLICAS, "h4", 90)
        whole = load.asked
        until(lambda: load.asked > whole + 40, 60)
    print(f"whole again after {took:.1f} s, {load.failed} of {load.asked} requests failed")
    row = NodeDecision.objects.get(node="h4", action="lost")
    assert len({each["who"] for each in row.witnesses}) >= 2
    assert len(row.outcome["replaced"]) >= REPLICAS // 3
    # The controllers alone would let requests fail for 50 seconds.
    assert load.failed < load.asked / 2
    assert NodeDecision.objects.filter(action="lost").count() == 1


def test_a_node_that_is_back_takes_pods_again(site, admin):
    faults.start(site.lab.host("h4"))
    until(lambda: node_decisions.lost_nodes(Cluster.objects.get().pk) == {}, 90)
    taints = admin.get("/api/v1/nodes/h4")["spec"].get("taints") or []
    assert "kcloud.local/lost" not in [each["key"] for each in taints]
    until(lambda: ready_off(admin) == REPLICAS, 60)
