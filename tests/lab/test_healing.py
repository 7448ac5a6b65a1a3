"""Self-healing on a real cluster: of nodes under load, by two witnesses, and of applications by their ladder.

One lab of four hosts for the whole file; the tests are steps of one story and run in this order: an application on
three workers; an agent that is frozen and a network path that is cut, neither of which is a lost node; applications
of a tenant that are changed by others, crash, run out of memory and do not end; a node that is cut off and then powered
off, because something with an identity ran on it; the same node back.
"""

import subprocess
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from apps.errors import ReleasePinned
from apps.models import Deployment, HealingDecision
from apps.services import deployments, healing, healing_rounds
from clusters import access
from clusters.bundle import locations
from clusters.healing.fencing import Commands
from clusters.lab import faults
from clusters.lab import hosts as lab_hosts
from clusters.manifests import verification
from clusters.models import Cluster, Host, NodeDecision
from clusters.pod_watching import PodFollower
from clusters.services import deployment, fencing, fencing_methods, node_decisions
from clusters.services.node_probing import Warden
from clusters.services.probing_board import Board
from kcloud_site.operations.models import Operation, State
from tests.databases import using
from tests.lab import power_switch
from tests.lab import unwell_apps as unwell
from tests.lab.losing_nodes import Load, ready_off, spread, uids, whole_again
from tests.lab.test_deploy import VERSION, _enrol, carry_out, kubectl, on, planned
from tests.operations.processes import until

pytestmark = pytest.mark.lab

LAB, SUBNET, GATEWAY = "t-healing", "172.31.243.0/24", "172.31.243.1"
REPLICAS = 6
WORKERS = ("h2", "h3", "h4")
MIB = 1024**2


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
            cluster.refresh_from_db()
            unwell.make_environment(cluster, site.by)
            followers = [Warden(cluster.pk, Board()), PodFollower(cluster.pk, access.open_kubernetes)]
            for each in followers:
                each.start()
            yield site
            for each in followers:
                each.stop()
                each.join(10)
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


def answers(site, name):
    """Whether SSH gets through: while it does not, asking takes longer than the cut and ends in an error."""
    try:
        return on(site, name, "true") == ""
    except subprocess.CalledProcessError:
        return False


def test_a_cut_between_portal_and_node_alone_is_no_lost_node(site, admin):
    """The portal cannot reach it, its neighbours can: one witness."""
    before = uids(admin)
    rule = f"INPUT -s {GATEWAY} -p tcp -m multiport --dports 22,10250 -j DROP"
    on(site, "h3", f"iptables -I {rule}; nohup sh -c 'sleep 8; iptables -D {rule}' >/dev/null 2>&1 &")
    until(lambda: decisions("h3") != [], 30)
    until(lambda: answers(site, "h3"), 60)
    assert {action for action, _why in decisions("h3")} == {"wait"}
    assert uids(admin) == before


# --- applications --------------------------------------------------------------------------------


def by_hand(site, *words):
    """What somebody does with the administrator's own kubectl."""
    return kubectl(site, Cluster.objects.get(), "-n", unwell.SPACE, *words)


def only_pod(name):
    (found,) = unwell.pods(name)
    return found["metadata"]["name"], found["spec"]["nodeName"]


def test_what_others_change_is_put_back_and_what_nobody_manages_is_left(site, monkeypatch):
    unwell.run("steady", "1.0", unwell.hello(), site.by, replicas=2)
    monkeypatch.setattr(healing_rounds, "_is_due", lambda _workload: True)
    assert healing_rounds.look_after() == 0
    by_hand(site, "scale", "deployment", "steady", "--replicas=4")
    by_hand(site, "set", "image", "deployment/steady", "web=kcloud.local/shop-web:1.0")
    by_hand(site, "label", "deployment", "steady", "kcloud.local/tenant=other", "--overwrite")
    by_hand(site, "annotate", "deployment", "steady", "example.com/note=mine")
    row = unwell.decided("steady", "drift", "done", 30)
    (difference,) = row.seen["differences"]
    for part in ("spec.replicas", "image", "metadata.labels[kcloud.local/tenant]"):
        assert part in difference["where"]
    assert "shop-web:1.0" in difference["found"]
    assert "kubectl" in row.seen["evidence"]
    found = unwell.inside().get(f"/apis/apps/v1/namespaces/{unwell.SPACE}/deployments/steady")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert (found["spec"]["replicas"], container["image"]) == (2, unwell.IMAGE)
    assert found["metadata"]["labels"]["kcloud.local/tenant"] == "retail"
    assert found["metadata"]["annotations"]["example.com/note"] == "mine"
    until(lambda: [verification.is_ready(each) for each in unwell.pods("steady")] == [True, True], 60)
    assert healing_rounds.look_after() == 0
    assert len(unwell.decisions("steady")) == 1


def test_applications_go_wrong(site):
    """One pod whose agent is frozen, one that a finalizer keeps, a release that crashes, one that is too greedy."""
    for name in ("late", "held"):
        unwell.run(name, "1.0", unwell.hello(), site.by)
    held, _node = only_pod("held")
    by_hand(site, "patch", "pod", held, "-p", '{"metadata":{"finalizers":["example.com/hold"]}}')
    by_hand(site, "delete", "pod", held, "--wait=false")
    late, site.frozen = only_pod("late")
    by_hand(site, "cordon", site.frozen)
    on(site, site.frozen, "pkill -STOP -x kubelet")
    by_hand(site, "delete", "pod", late, "--wait=false")
    unwell.run("crashing", "1.0", unwell.hello(), site.by)
    unwell.run("crashing", "1.1", unwell.faulty("crash-after=4"), site.by)
    unwell.run("greedy", "1.0", unwell.faulty("leak=32"), site.by)


def test_a_crash_loop_is_restarted_first(site):
    row = unwell.decided("crashing", "restart", "done")
    assert (row.why, row.mode, row.release.version) == ("crash-loop", "automatic", "1.1")
    assert "exit code 4" in row.seen["evidence"]
    restarted = unwell.carry_out_what_was_begun("crashing")
    assert (restarted.action, restarted.requested_by) == ("restart", "self-healing")
    assert restarted.operation_id == row.operation_id
    unwell.cooldown_passes("crashing")


def test_what_ran_out_of_memory_is_offered_more_and_nothing_is_done(site):
    row = unwell.decided("greedy", "memory", "open")
    assert (row.why, row.mode, row.seen["memory"]) == ("out-of-memory", "suggest", 144 * MIB)
    assert "OOMKilled" in row.seen["evidence"]
    assert Deployment.objects.filter(workload__app__name="greedy").count() == 1
    assert unwell.workload("greedy").release.version == "1.0"
    unwell.stop("greedy", site.by)


def test_a_pod_whose_agent_says_nothing_is_removed(site):
    row = unwell.decided("late", "stuck-pod", "done")
    assert (row.why, row.seen["items"]) == ("stuck", [row.seen["evidence"].split()[0]])
    assert site.frozen in row.seen["evidence"]
    assert not {each["metadata"]["name"] for each in unwell.pods("late")} & set(row.seen["items"])
    on(site, site.frozen, "pkill -CONT -x kubelet")
    by_hand(site, "uncordon", site.frozen)


def test_a_finalizer_goes_only_when_a_person_says_so(site):
    row = unwell.decided("held", "stuck-pod", "open")
    assert (row.why, row.mode) == ("finalizer", "approve")
    assert "example.com/hold" in row.seen["evidence"]
    assert set(row.seen["items"]) < {each["metadata"]["name"] for each in unwell.pods("held")}
    healing.approve(decision=row, by=site.by)

    def let_go():
        healing_rounds.look_after()
        return len(unwell.pods("held")) == 1

    try:
        until(let_go, 120)
    except AssertionError as error:
        now = unwell.workload("held")
        said = HealingDecision.objects.filter(workload=now).values("why", "state", "seen", "decided_by")
        raise AssertionError(f"{now.state} {now.seen_pods.rows} {list(said)}") from error
    assert unwell.decisions("held")[-1] == ("stuck-pod", "done", "finalizer")


def test_a_crash_loop_that_a_restart_did_not_end_returns_to_what_last_worked(site):
    row = unwell.decided("crashing", "return", "done")
    assert (row.why, row.release.version) == ("crash-loop", "1.1")
    returned = unwell.carry_out_what_was_begun("crashing")
    assert (returned.action, returned.state) == ("heal", "succeeded"), returned.reason
    now = unwell.workload("crashing")
    assert (now.release.version, now.state) == ("1.0", "healthy")
    (pin,) = now.pins.filter(lifted_at__isnull=True)
    assert "exit code 4" in pin.reason["why"]
    with pytest.raises(ReleasePinned):
        deployments.deploy_release(app=now.app, environment=now.environment, release=pin.release, by=site.by)


# --- a lost node ---------------------------------------------------------------------------------


def where_it_runs(name):
    """Node and uid of a pod that is ready; None while it is not."""
    found = [each for each in unwell.pods(name) if verification.is_ready(each)]
    return (found[0]["spec"]["nodeName"], found[0]["metadata"]["uid"]) if found else None


def test_a_node_cut_off_from_everybody_is_replaced_under_load(site, admin):
    """Nobody reaches it any more, while its pods run on."""
    unwell.run("db", "1.0", unwell.hello(kind="StatefulSet"), site.by)
    site.lost, site.old = until(lambda: where_it_runs("db"), 10)
    until(lambda: ready_off(admin) == REPLICAS, 120)
    way = next(each for each in WORKERS if each != site.lost)
    cut = "; ".join(f"iptables -I {chain} -j DROP" for chain in ("INPUT", "OUTPUT", "FORWARD"))
    with Load(site.lab.host(way).address) as load:
        until(lambda: load.asked > 20, 30)
        assert load.failed == 0
        on(site, site.lost, f"nohup sh -c 'sleep 1; {cut}' >/dev/null 2>&1 &")
        took = whole_again(admin, REPLICAS, site.lost, 90)
        whole = load.asked
        until(lambda: load.asked > whole + 40, 60)
    print(f"whole again after {took:.1f} s, {load.failed} of {load.asked} requests failed")
    row = NodeDecision.objects.get(node=site.lost, action="lost")
    assert len({each["who"] for each in row.witnesses}) >= 2
    assert len(row.outcome["replaced"]) >= REPLICAS // 3
    # The controllers alone would let requests fail for 50 seconds.
    assert load.failed < load.asked / 2
    assert NodeDecision.objects.filter(action="lost").count() == 1


def test_what_has_an_identity_waits_until_its_machine_is_powered_off(site, admin, settings):
    row = NodeDecision.objects.get(node=site.lost, action="lost")
    assert row.outcome["waiting"] == [f"{unwell.SPACE}/db-0"]
    assert unwell.decisions("db") == [("node-loss", "held", "fence")]
    (left,) = unwell.pods("db")
    assert left["metadata"]["uid"] == site.old
    assert power_switch.state(LAB, site.lost) == "running"
    settings.FENCING_PROGRAMS = [power_switch.script(site.folder / "power-switch")]
    fencing_methods.keep_method(
        of=Host.objects.get(name=site.lost).region,
        commands=Commands(
            settings.FENCING_PROGRAMS[0],
            ("off", LAB, "{host}"),
            ("status", LAB, "{host}"),
            f"power of {site.lost} is off",
        ),
        mode="automatic",
        secret=power_switch.SECRET,
        by=site.by,
    )
    operation = until(lambda: Operation.objects.filter(kind=fencing.KIND).first(), 30)
    assert carry_out(operation).state == State.SUCCEEDED, operation.failure
    assert power_switch.state(LAB, site.lost) == "exited"
    now = until(lambda: (there := where_it_runs("db")) and there[1] != site.old and there, 60)
    assert now[0] != site.lost
    taints = admin.get(f"/api/v1/nodes/{site.lost}")["spec"]["taints"]
    assert "node.kubernetes.io/out-of-service" in [each["key"] for each in taints]
    assert unwell.decisions("db")[-1] == ("node-loss", "done", "node")
    row.refresh_from_db()
    assert (row.fencing["off"], row.fenced_by) == (True, settings.FENCING_PROGRAMS[0])


def test_a_node_that_is_back_takes_pods_again(site, admin):
    faults.start(site.lab.host(site.lost))
    until(lambda: node_decisions.lost_nodes(Cluster.objects.get().pk) == {}, 90)
    taints = admin.get(f"/api/v1/nodes/{site.lost}")["spec"].get("taints") or []
    assert not {each["key"] for each in taints} & {"kcloud.local/lost", "node.kubernetes.io/out-of-service"}
    until(lambda: ready_off(admin) == REPLICAS, 60)
