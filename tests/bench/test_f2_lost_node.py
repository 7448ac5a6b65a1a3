"""F2: a worker without power under load, until all replicas are ready elsewhere; and what a hanging agent sets off.

Peers, on the same cluster in the same run, the portal's healing stopped: Kubernetes' controllers tuned as far as they
go (leases of 8 s, a grace of 16 s, no toleration), and as they come (grace 50 s, tolerations of 300 s; once, as it
takes six minutes). About twenty minutes in all.
"""

import contextlib
import statistics
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from clusters import access
from clusters.bundle import locations
from clusters.lab import faults
from clusters.lab import hosts as lab_hosts
from clusters.models import NodeDecision
from clusters.services import deployment, node_decisions
from clusters.services.node_probing import Warden
from clusters.services.probing_board import Board
from kcloud_site.operations.models import State
from tests.bench.paired import Ratio, report
from tests.databases import using
from tests.lab.losing_nodes import PODS, Load, ready_off, spread, uids, whole_again
from tests.lab.test_deploy import VERSION, _enrol, carry_out, on, planned
from tests.operations.processes import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(3600)]
LAB, SUBNET = "t-bench-lost", "172.31.237.0/24"
MASTER, WORKERS, VICTIM = "b1", ["b2", "b3", "b4"], "b4"
REPLICAS, PAIRS = 6, 3
# Longer than the tuned controllers' patience, shorter than anybody calls a node dead.
HANGS = 25
CONTROLLERS = "/etc/systemd/system/kube-controller-manager.service"
KUBELET = "/etc/kubernetes/kubelet.yaml"


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=4, prefix="b", subnet=SUBNET)
        try:
            site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
            site.cluster = planned(site, "bench", [MASTER], WORKERS)
            operation = carry_out(deployment.deploy_cluster(cluster=site.cluster, by=site.by))
            assert operation.state == State.SUCCEEDED, operation.failure
            site.cluster.refresh_from_db()
            site.admin = access.kubernetes_for(site.cluster)
            yield site
        finally:
            lab_hosts.down(name=LAB)


@contextlib.contextmanager
def kcloud(site):
    """The portal's watch over the nodes; Kubernetes at its defaults."""
    warden = Warden(site.cluster.pk, Board())
    warden.start()
    try:
        yield
        until(lambda: node_decisions.lost_nodes(site.cluster.pk) == {}, 90)
    finally:
        warden.stop()
        warden.join(10)


@contextlib.contextmanager
def tuned(site):
    """The controllers as quick as their documentation allows."""
    quicker = (
        r"s/--leader-elect=true/--leader-elect=true --node-monitor-period=2s --node-monitor-grace-period=16s/"
    )
    on(site, MASTER, f"cp {CONTROLLERS} /root/kept.service && sed -i '{quicker}' {CONTROLLERS}")
    on(site, MASTER, "systemctl daemon-reload && systemctl restart kube-controller-manager")
    for name in WORKERS:
        on(site, name, f"cp {KUBELET} /root/kept.yaml")
        on(
            site,
            name,
            f"printf 'nodeStatusUpdateFrequency: 4s\\nnodeLeaseDurationSeconds: 8\\n' >> {KUBELET}",
        )
        on(site, name, "systemctl restart kubelet")
    try:
        yield
    finally:
        on(site, MASTER, f"cp /root/kept.service {CONTROLLERS}")
        on(site, MASTER, "systemctl daemon-reload && systemctl restart kube-controller-manager")
        for name in WORKERS:
            on(site, name, f"cp /root/kept.yaml {KUBELET} && systemctl restart kubelet")


def anew(site, tolerated):
    """The application on all three workers, every pod new."""
    until(lambda: ready_nodes(site) == set(WORKERS), 120)
    site.admin.delete("/apis/apps/v1/namespaces/shop/deployments/web")
    until(lambda: site.admin.list(PODS) == [], 120)
    spread(site.admin, REPLICAS, tolerated=tolerated)
    assert ready_off(site.admin, VICTIM) < REPLICAS


def ready_nodes(site):
    """Ready and without a taint."""
    return {
        each["metadata"]["name"]
        for each in site.admin.list("/api/v1/nodes")
        if not each["spec"].get("taints")
        and any(one["type"] == "Ready" and one["status"] == "True" for one in each["status"]["conditions"])
    }


def lose(site, tolerated, patience):
    """(seconds until whole again, share of requests that failed meanwhile)."""
    anew(site, tolerated)
    with Load(site.lab.host(WORKERS[0]).address) as load:
        until(lambda: load.asked > 20, 30)
        before = load.asked, load.failed
        faults.kill(site.lab.host(VICTIM))
        took = whole_again(site.admin, REPLICAS, VICTIM, patience)
        asked, failed = load.asked - before[0], load.failed - before[1]
    faults.start(site.lab.host(VICTIM))
    return took, failed / asked


def hang(site, tolerated):
    """How many pods were replaced because an agent hung on a host that works."""
    anew(site, tolerated)
    before = set(uids(site.admin))
    on(site, VICTIM, f"pkill -STOP -x kubelet; sleep {HANGS}; pkill -CONT -x kubelet")
    until(lambda: ready_nodes(site) == set(WORKERS), 120)
    return len(before - set(uids(site.admin)))


def test_f2(site):
    ours, theirs, failed, false = [], [], {"kcloud": [], "tuned": []}, {}
    for turn in range(PAIRS):
        with tuned(site):
            took, share = lose(site, 0, 180)
            theirs.append(took)
            failed["tuned"].append(share)
            until(lambda: ready_nodes(site) == set(WORKERS), 120)
            if turn == 0:
                false["tuned"] = hang(site, 0)
        with kcloud(site):
            took, share = lose(site, None, 90)
            ours.append(took)
            failed["kcloud"].append(share)
            until(lambda: ready_nodes(site) == set(WORKERS), 120)
            if turn == 0:
                false["kcloud"] = hang(site, None)
    assert NodeDecision.objects.filter(action="lost").count() == PAIRS
    ratio = Ratio(theirs, ours)
    shares = {side: statistics.median(each) for side, each in failed.items()}
    report(
        "F2",
        f"worker off → {REPLICAS} replicas ready elsewhere, {PAIRS} pairs; peer: controllers tuned",
        f"{statistics.median(theirs):.1f} s, {shares['tuned']:.0%} of requests failed",
        f"{statistics.median(ours):.1f} s (worst {max(ours):.1f} s), {shares['kcloud']:.0%} failed",
        f"{ratio.median:.1f}× (worst {ratio.worst:.1f}×)",
    )
    report(
        "F2",
        f"pods replaced because an agent hung for {HANGS} s; peer: controllers tuned",
        str(false["tuned"]),
        str(false["kcloud"]),
        "",
    )
    took, share = lose(site, None, 600)
    report(
        "F2",
        "worker off; peer: controllers as they come, once",
        f"{took:.0f} s, {share:.0%} of requests failed",
        f"{statistics.median(ours):.1f} s",
        f"{took / statistics.median(ours):.0f}×",
    )
