"""Every diagnosis of the doctor, produced for real on one cluster in a tenant's environment, and named right.

All troubles are made at once; each test waits until its own is seen. The last ones put a node out of action.
"""

import os
import subprocess
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from apps.diagnosing import doctor
from apps.selectors.diagnosis import gather
from clusters import access
from clusters.bundle import locations
from clusters.bundle.oci import ImageFile, ImageSettings, write_image
from clusters.lab import faults, ssh
from clusters.lab import hosts as lab_hosts
from clusters.models import Environment
from clusters.services import deployment
from kcloud_site.operations.models import State
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services import tenants
from tests.apps.diagnosing import kept
from tests.clusters.environments import GIB, ask, give_quota, newest
from tests.databases import using
from tests.lab import troubles
from tests.lab.test_deploy import VERSION, _enrol, carry_out, on, planned
from tests.operations.processes import until

pytestmark = pytest.mark.lab

LAB, SUBNET, SPACE = "t-doctor", "172.31.240.0/24", "retail-dev"
SHARE = Resources(cpu=2_000_000, memory=980 * GIB, storage=10 * GIB, pods=80)
PODS = f"/api/v1/namespaces/{SPACE}/pods"
CASES = troubles.cases("master")
# What is kept for the fast tests of the doctor: KCLOUD_KEEP_FACTS names the folder.
KEEP = os.environ.get("KCLOUD_KEEP_FACTS")


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal of its own with a cluster of one master and two workers, an environment, and all troubles in it."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=3, prefix="x", subnet=SUBNET)
        try:
            site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
            cluster = planned(site, "shared", ["x1"], ["x2", "x3"])
            operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
            assert operation.state == State.SUCCEEDED, operation.failure
            cluster.refresh_from_db()
            _environment(site, cluster)
            site.admin = access.kubernetes_for(cluster)
            _make_all(site)
            yield site
        finally:
            lab_hosts.down(name=LAB)


def _environment(site, cluster):
    tenant = tenants.create_tenant(name="retail", title="Retail", by=site.by)
    give_quota(tenant, SHARE)
    made = ask(tenant, cluster, share=SHARE, by=site.by)
    assert carry_out(newest(made)).state == State.SUCCEEDED


def _make_all(site):
    for node in ("x2", "x3"):
        script = troubles.encoded(troubles.REGISTRY_PROGRAM)
        on(site, node, f"echo {script} | base64 -d > /run/registry.py")
        on(site, node, "systemd-run --unit=no-registry python3 /run/registry.py")
        _load_root_image(site, node)
    # What is to be lost stands on the node that is then kept for others.
    make(site, [troubles.lost("lost", "x3"), troubles.lost("gone", "x3")])
    until(lambda: len(ready("lost")) + len(ready("gone")) == 2, 90)
    site.admin.patch("/api/v1/nodes/x3", {"spec": {"taints": [troubles.TAINT]}})
    for each in troubles.rule(SPACE):
        site.admin.apply(each)
    for case in troubles.cases(site.lab.host("x1").address):
        make(site, case.objects)
    _take_no_more(site, "x3")
    make(site, [troubles.lost("full", "x3")])
    (held,) = until(lambda: ready("held"), 90)
    inside().delete(f"{PODS}/{held}")


def _take_no_more(site, node):
    """As many pods as run there are all the node takes from now on, and the scheduler knows."""
    there = sum(
        each["status"]["phase"] not in ("Succeeded", "Failed")
        for each in site.admin.list("/api/v1/pods", fieldSelector=f"spec.nodeName={node}")
    )
    file = "/etc/kubernetes/kubelet.yaml"
    on(site, node, f"sed -i 's/^maxPods: .*/maxPods: {there}/' {file} && systemctl restart kubelet")
    # A pod placed before the node tells its new bound is refused by the kubelet and stays as a failed one.
    until(lambda: site.admin.get(f"/api/v1/nodes/{node}")["status"]["allocatable"]["pods"] == str(there), 90)


def _load_root_image(site, node):
    target = site.folder / f"root-{node}.tar"
    image = ImageSettings(name=troubles.ROOT_IMAGE, entrypoint=["/nothing"], user="0:0")
    write_image(target, [ImageFile("/nothing", b"nothing", 0o755)], image)
    line = ssh.command(site.lab, site.lab.host(node), ["sudo ctr -n k8s.io images import -"])
    subprocess.run(line, input=target.read_bytes(), capture_output=True, check=True, timeout=60)


def make(site, objects):
    for each in objects:
        each["metadata"]["namespace"] = SPACE
        inside().apply(each)


def inside():
    """The portal as the environment's own account."""
    return access.kubernetes_for(Environment.objects.select_related("tenant", "cluster").get(name="dev"))


def ready(app):
    found = inside().list(PODS, labelSelector=f"{troubles.APP_LABEL}={app}")
    return [
        each["metadata"]["name"]
        for each in found
        if any(
            one["type"] == "Ready" and one["status"] == "True" for one in each["status"].get("conditions", [])
        )
    ]


def nodes(site):
    return [
        {
            "name": each["metadata"]["name"],
            "ready": next(one["status"] for one in each["status"]["conditions"] if one["type"] == "Ready"),
            "taints": each["spec"].get("taints") or [],
            "labels": each["metadata"]["labels"],
        }
        for each in site.admin.list("/api/v1/nodes")
    ]


def facts_of(site, app):
    return gather(inside(), namespace=SPACE, app=app, nodes=nodes(site))


def codes(facts):
    return tuple(sorted({each.code for each in doctor.diagnose(facts).diagnoses}))


def seen(site, name, wanted, patience=150):
    """Wait until the doctor says exactly that; the facts are kept for the fast tests when asked for."""
    found = {}

    def is_said():
        found["facts"] = facts_of(site, name)
        return codes(found["facts"]) == tuple(sorted(wanted))

    until(is_said, patience)
    if KEEP:
        kept.write(KEEP, name, wanted, found["facts"])
    return doctor.diagnose(found["facts"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_trouble_is_named(site, case):
    report = seen(site, case.name, case.codes)
    assert report.is_well == (not case.codes)
    for diagnosis in report.diagnoses:
        assert diagnosis.evidence
        assert "%(" not in diagnosis.title_in(str) + diagnosis.cause_in(str) + diagnosis.remedy_in(str)


def test_a_node_that_takes_no_more_pods_is_named(site):
    seen(site, "full", ["pending_pods"])


def test_a_lost_node_is_named_and_what_does_not_go_because_of_it(site):
    host = site.lab.host("x3")
    (gone,) = until(lambda: ready("gone"), 60)
    faults.kill(host)
    seen(site, "lost", ["node_down"])
    inside().delete(f"{PODS}/{gone}")
    # The one in its place has nowhere else to go.
    seen(site, "gone", ["node_down", "pending_nodes_down", "termination_node"])
