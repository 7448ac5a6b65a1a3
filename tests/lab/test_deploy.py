"""Deployments on real hosts, carried out by the services and the runner the portal uses.

One lab of five hosts for the whole file; the tests are steps of one story and run in this order: a deployment that
meets a full disk, is mended, loses its worker in the middle and ends well; what then runs; a second run that changes
nothing; a run that is cancelled; a host that is gone; a reset; three masters, one of which fails.
"""

import json
import os
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from clusters import access
from clusters.bundle import locations
from clusters.lab import faults, ssh
from clusters.lab import hosts as lab_hosts
from clusters.manifests import network_policy
from clusters.models import Cluster, Host
from clusters.selectors.preflight import preflight_verdict
from clusters.services import (
    bundles,
    cluster_secrets,
    credentials,
    deployment,
    hosts,
    plans,
    preflight,
    regions,
)
from kcloud_site.operations import runner
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import LogLine, Operation, State, Step, StepTarget
from tests.databases import using
from tests.lab.policy_matrix import CASES
from tests.lab.policy_trial import Trial
from tests.operations import processes

pytestmark = pytest.mark.lab

VERSION = "1.34.4"
LAB, SUBNET = "t-deploy", "172.31.242.0/24"
# Ports that listen beyond loopback, each with its own sign-in.
ASK = (
    "import ssl, urllib.request as u;"
    'print(u.urlopen("https://127.0.0.1:6443/readyz", context=ssl._create_unverified_context()).read())'
)
OPEN = {"master": {22, 2379, 2380, 6443}, "worker": {22, 10250}}


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal with a database of its own and five enrolled hosts."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=5, prefix="d", subnet=SUBNET)
        try:
            yield SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
        finally:
            lab_hosts.down(name=LAB)


def _enrol(lab):
    from kcloud_site.tenants.models import User

    by = User.objects.create_superuser("operator", "", "a-long-password")
    region = regions.create_region(name="lab", by=by)
    key = lab.key_path.read_text()
    credential = credentials.create_credential(
        name="lab", username=lab.hosts[0].user, kind="ssh-key", secret=key, by=by
    )
    for host in lab.hosts:
        hosts.enrol_host(name=host.name, region=region, address=host.address, credential=credential, by=by)
    bundles.refresh_bundles(by=by)
    return by


def spec(name, masters, workers, **pool):
    pools = [{"name": "general", "hosts": workers, "labels": {"tier": "test"}, **pool}]
    return {"name": name, "region": "lab", "version": VERSION, "masters": masters, "pools": pools}


def planned(site, name, masters, workers):
    """A cluster whose preflight passed, the lab's warnings accepted."""
    return checked(site, plans.create_cluster(spec=spec(name, masters, workers), by=site.by))


def checked(site, cluster):
    carry_out(preflight.start_preflight(cluster=cluster, by=site.by))
    verdict = preflight_verdict(cluster)
    assert not verdict.blocks, [(check.key, check.host, check.facts) for check in verdict.blocks]
    for check in verdict.open_warnings:
        preflight.override_warning(check=check, by=site.by, reason="known in the lab")
    return cluster


def carry_out(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    return operation


def resumed(site, operation):
    operations.resume_operation(operation=operation, by=site.by)
    return carry_out(operation)


@contextmanager
def in_a_worker(operation):
    """The operation at work in a process of its own; killed on the way out if it still runs."""
    pid = processes.fork(lambda: runner.run(operation.pk))
    try:
        yield pid
    finally:
        with suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                processes.kill(pid)


def on(site, name, command):
    line = ssh.command(site.lab, site.lab.host(name), [f"sudo sh -c {json.dumps(command)}"])
    done = subprocess.run(line, capture_output=True, check=True, timeout=60)
    return done.stdout.decode(errors="replace")


def outcome(operation, step):
    rows = StepTarget.objects.filter(step__operation=operation, step__key=step)
    return {row.target: (row.state, row.outcome) for row in rows}


def states(operation, step):
    return {name: state for name, (state, _outcome) in outcome(operation, step).items()}


def total_changed(operation):
    return Step.objects.get(operation=operation, key="verify").outcome["total_changed"]


def kubectl(site, cluster, *arguments):
    path = site.folder / f"{cluster.name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_bytes(cluster_secrets.get(cluster, "admin.kubeconfig"))
    program = locations.bundle_directory(VERSION) / "bin" / "kubectl"
    done = subprocess.run(
        [program, "--kubeconfig", path, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout


def ready_nodes(site, cluster):
    rows = json.loads(kubectl(site, cluster, "get", "nodes", "-o", "json"))["items"]
    return {
        row["metadata"]["name"]
        for row in rows
        if any(c["type"] == "Ready" and c["status"] == "True" for c in row["status"]["conditions"])
    }


def test_a_full_disk_is_named_and_the_other_hosts_go_on(site):
    cluster = planned(site, "small", ["d1"], ["d2", "d3"])
    on(site, "d3", "mkdir -p /opt/kcloud && mount -t tmpfs -o size=64m full /opt/kcloud")
    operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
    cluster.refresh_from_db()
    assert (operation.state, cluster.state) == (State.FAILED, Cluster.State.FAILED)
    assert states(operation, "distribute") == {"d1": "succeeded", "d2": "succeeded", "d3": "failed"}
    assert operation.failure["target"] == "d3"
    assert operation.failure["step"] == "distribute"
    assert "d3" in operation.failure["what"]
    assert "full" in operation.failure["what"]
    assert "MB are free" in operation.failure["why"]
    assert "resume" in operation.failure["remedy"]
    on(site, "d3", "umount /opt/kcloud")


def test_a_worker_killed_in_the_middle_is_taken_over_and_no_finished_host_is_done_again(site):
    operation = Operation.objects.get(kind=deployment.DEPLOY)
    operations.resume_operation(operation=operation, by=site.by)
    runtime = Step.objects.filter(operation=operation, key="runtime")
    with in_a_worker(operation) as pid:
        processes.until(
            lambda: runtime.filter(state=State.RUNNING, targets__state=State.RUNNING).exists(), 120
        )
        processes.kill(pid)
    processes.until(lambda: not _children_of(operation), 10)
    # The dead worker's lease has to end before another may go on.
    processes.until(lambda: carry_out(operation).state != State.RUNNING, 30)
    assert operation.state == State.SUCCEEDED, operation.failure
    brought = LogLine.objects.filter(operation=operation, step="distribute", text__startswith="brought")
    assert sorted(line.target for line in brought) == ["d1", "d2", "d3"]
    cluster = Cluster.objects.get(name="small")
    assert (cluster.state, cluster.version, cluster.deployed_revision) == (Cluster.State.READY, VERSION, 1)
    assert cluster.ready_at is not None


def _children_of(operation):
    """Processes on this machine that still work for the operation (kept SSH connections are none)."""
    mark = f"KCLOUD_OPERATION={operation.pk}\0".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            works = b"ansible-playbook" in (path / "cmdline").read_bytes()
            if works and mark in (path / "environ").read_bytes() + b"\0":
                found.append(path.name)
        except OSError:
            continue
    return found


def test_the_cluster_is_real_for_kubectl_from_the_bundle(site):
    cluster = Cluster.objects.get(name="small")
    assert ready_nodes(site, cluster) == {"d2", "d3"}
    nodes = json.loads(kubectl(site, cluster, "get", "nodes", "-o", "json"))["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{VERSION}"}
    assert all(node["metadata"]["labels"]["tier"] == "test" for node in nodes)
    pods = json.loads(kubectl(site, cluster, "get", "pods", "-n", "kube-system", "-o", "json"))["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    processes.until(lambda: "kcloud-verify" not in kubectl(site, cluster, "get", "namespaces"), 60)


def test_nothing_listens_beyond_loopback_without_a_sign_in(site):
    for name, role in (("d1", "master"), ("d2", "worker"), ("d3", "worker")):
        listening = on(site, name, "ss -Hltnu").splitlines()
        beyond = {
            int(line.split()[4].rsplit(":", 1)[1])
            for line in listening
            if not re.match(r"(127\.|\[::1\])", line.split()[4])
        }
        assert beyond <= OPEN[role], name


@pytest.mark.parametrize(
    ("host", "port", "path", "status"),
    [
        ("d1", 6443, "/api", 401),
        ("d1", 6443, "/version", 401),
        ("d1", 6443, "/readyz", 200),
        ("d2", 10250, "/pods", 401),
    ],
)
def test_strangers_learn_nothing_but_whether_the_api_is_well(site, host, port, path, status):
    anyone = ssl._create_unverified_context()
    url = f"https://{site.lab.host(host).address}:{port}{path}"
    try:
        seen = urllib.request.urlopen(url, timeout=10, context=anyone).status
    except urllib.error.HTTPError as error:
        seen = error.code
    assert seen == status


def test_the_store_wants_a_certificate_and_keeps_secrets_encrypted(site):
    cluster = Cluster.objects.get(name="small")
    address = f"https://{site.lab.host('d1').address}:2379/version"
    with pytest.raises(OSError, match=r"(?i)certificate|alert|reset|EOF"):
        urllib.request.urlopen(address, timeout=10, context=ssl._create_unverified_context())
    kubectl(site, cluster, "create", "secret", "generic", "probe", "--from-literal=word=readable-word")
    pki = "/etc/kubernetes/pki"
    sign_in = f"--cacert={pki}/etcd-ca.crt --cert={pki}/etcd-client.crt --key={pki}/etcd-client.key"
    stored = on(
        site, "d1", f"/opt/kcloud/{VERSION}/bin/etcdctl {sign_in} get /registry/secrets/default/probe"
    )
    assert "k8s:enc:secretbox:v1:" in stored
    assert "readable-word" not in stored


def test_keys_on_hosts_are_roots_alone_and_no_authority_key_is_there(site):
    for name in ("d1", "d2"):
        loose = on(site, name, "find /etc/kubernetes -type f -perm /077 ! -name '*.crt' ! -name '*.pub'")
        assert loose == ""
        assert on(site, name, "find /etc/kubernetes -name '*ca.key'") == ""
    authority = on(site, "d1", "cat /etc/kubernetes/pki/*.key; true")
    for name in ("ca.key", "etcd-ca.key", "front-proxy-ca.key"):
        assert cluster_secrets.get(Cluster.objects.get(name="small"), name).decode() not in authority


@pytest.fixture(scope="class")
def trial(site):
    """Pods of two namespaces on both workers, asking each other."""
    client = access.kubernetes_for(Cluster.objects.get(name="small"))
    nodes = {name: site.lab.host(name).address for name in ("d2", "d3")}
    made = Trial(client, lambda node, command: on(site, node, command), nodes, "10.96.0.10")
    try:
        made.start()
        yield made
    finally:
        made.end()


class TestNetworkPolicies:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_network_policies_mean_what_they_say_on_one_node_and_across(self, trial, case):
        assert trial.wrong(case) == {}

    def test_a_killed_policy_agent_comes_back_and_nothing_opens_meanwhile(self, site, trial):
        closed, back = ("policy-blue/d3/a", "policy-red/d3/a"), ("policy-blue/d3/a", "policy-blue/d2/a")
        with trial.under(CASES[1]):
            processes.until(lambda: not trial.reach(*closed), 10)
            on(site, "d3", "systemctl kill --signal=KILL kcloud-network-policy.service")
            assert not trial.reach(*closed)
            processes.until(lambda: trial.reach(*back), 30)
            assert not trial.reach(*closed)
        assert int(on(site, "d3", "systemctl show --property=NRestarts --value kcloud-network-policy")) == 1

    def test_without_its_policy_agent_a_node_is_closed_and_the_portal_hears_its_silence(self, site, trial):
        out, within = ("policy-blue/d3/a", "policy-blue/d2/a"), ("policy-blue/d3/a", "policy-red/d3/a")
        on(site, "d3", "systemctl stop kcloud-network-policy.service")
        try:
            assert not trial.reach(*out)
            assert not trial.reach(*within, "UDP")
            client = access.kubernetes_for(Cluster.objects.get(name="small"))
            before = _leases(client, network_policy.NAMESPACE)
            processes.until(lambda: _leases(client, network_policy.NAMESPACE)["d2"] > before["d2"], 30)
            assert _leases(client, network_policy.NAMESPACE)["d3"] == before["d3"]
        finally:
            on(site, "d3", "systemctl start kcloud-network-policy.service")
        assert trial.reach(*out)


def test_the_second_run_changes_nothing_and_says_so(site):
    cluster = Cluster.objects.get(name="small")
    operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
    assert operation.state == State.SUCCEEDED, operation.failure
    changed = {
        (row.step.key, row.target): row.outcome["changed"]
        for row in StepTarget.objects.filter(step__operation=operation).select_related("step")
    }
    assert set(changed.values()) == {0}, changed
    assert total_changed(operation) == 0
    assert LogLine.objects.filter(operation=operation, text__startswith="0 changed").exists()


def test_cancel_stops_ansible_within_seconds_and_resume_ends_well(site):
    cluster = Cluster.objects.get(name="small")
    operation = deployment.deploy_cluster(cluster=cluster, by=site.by)
    distribute = Step.objects.filter(operation=operation, key="distribute")
    with in_a_worker(operation):
        processes.until(lambda: distribute.filter(state=State.RUNNING).exists(), 60)
        processes.until(lambda: _children_of(operation), 30)
        operations.cancel_operation(operation=operation, by=site.by)
        processes.until(lambda: not _children_of(operation), 15)
        processes.until(lambda: Operation.objects.get(pk=operation.pk).state == State.CANCELLED, 15)
    assert resumed(site, operation).state == State.SUCCEEDED
    assert total_changed(operation) == 0
    assert Cluster.objects.get(name="small").state == Cluster.State.READY


def test_a_host_that_is_cut_off_is_named_and_resume_needs_only_that_host(site):
    """The plan has been edited as well: its labels and taints reach nodes that joined long ago."""
    cluster = Cluster.objects.get(name="small")
    taint = {"key": "kind", "value": "lab", "effect": "PreferNoSchedule"}
    edited = spec("small", ["d1"], ["d2", "d3"], labels={"tier": "second"}, taints=[taint])
    plans.revise_plan(cluster=cluster, spec=edited, by=site.by, expected_revision=1)
    checked(site, cluster)
    faults.disconnect(site.lab.host("d2"))
    operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
    faults.connect(site.lab.host("d2"))
    assert operation.state == State.FAILED
    assert states(operation, "distribute") == {"d1": "succeeded", "d2": "failed", "d3": "succeeded"}
    assert operation.failure["target"] == "d2"
    assert operation.failure["remedy"]
    operation = resumed(site, operation)
    assert operation.state == State.SUCCEEDED, operation.failure
    lines = LogLine.objects.filter(operation=operation, step="distribute", target="d1", level="info")
    assert lines.count() == 1
    nodes = json.loads(kubectl(site, cluster, "get", "nodes", "-o", "json"))["items"]
    assert [node["metadata"]["labels"]["tier"] for node in nodes] == ["second", "second"]
    assert [node["spec"]["taints"] for node in nodes] == [[taint], [taint]]


def test_a_host_that_loses_power_in_mid_deployment_is_named_and_comes_back_by_resume(site):
    cluster = Cluster.objects.get(name="small")
    operation = deployment.deploy_cluster(cluster=cluster, by=site.by)
    distribute = Step.objects.filter(operation=operation, key="distribute")
    with in_a_worker(operation):
        processes.until(lambda: distribute.filter(state=State.RUNNING).exists(), 60)
        faults.kill(site.lab.host("d3"))
        processes.until(lambda: Operation.objects.get(pk=operation.pk).state == State.FAILED, 180)
    operation.refresh_from_db()
    assert operation.failure["target"] == "d3"
    assert operation.failure["remedy"]
    faults.start(site.lab.host("d3"))
    operation = resumed(site, operation)
    assert operation.state == State.SUCCEEDED, operation.failure
    assert ready_nodes(site, cluster) == {"d2", "d3"}


def test_reset_wants_the_name_and_leaves_bare_spare_hosts(site):
    cluster = Cluster.objects.get(name="small")
    with pytest.raises(deployment.DeploymentRefused):
        deployment.reset_cluster(cluster=cluster, by=site.by, confirm_name="Small")
    operation = carry_out(deployment.reset_cluster(cluster=cluster, by=site.by, confirm_name="small"))
    assert operation.state == State.SUCCEEDED, operation.failure
    cluster.refresh_from_db()
    assert (cluster.state, cluster.endpoints, cluster_secrets.names(cluster)) == (Cluster.State.DRAFT, [], [])
    assert Host.objects.filter(cluster=None).count() == 5
    for name in ("d1", "d2", "d3"):
        left = on(
            site,
            name,
            "ls -d /etc/kubernetes /opt/kcloud/* /var/lib/etcd /var/lib/kubelet /var/lib/containerd /etc/cni "
            "2>/dev/null;"
            "ip -o link | grep -o cni0; ip route | grep -E '10\\.(244|96)\\.';"
            "iptables-save | grep -E 'KUBE|CNI-|KCLOUD';"
            "dpkg -l | grep -E 'containerd|runc|haproxy'; pgrep -l 'kube|kcloud|etcd|containerd'; true",
        )
        assert left == "", name
    plans.discard_draft(cluster=cluster, by=site.by)


def test_three_masters_form_a_cluster(site):
    cluster = planned(site, "large", ["d1", "d2", "d3"], ["d4", "d5"])
    operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
    assert operation.state == State.SUCCEEDED, operation.failure
    cluster.refresh_from_db()
    assert len(cluster.endpoints) == 3
    assert ready_nodes(site, cluster) == {"d4", "d5"}


def _leases(client, namespace="kube-node-lease"):
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    return {row["metadata"]["name"]: row["spec"]["renewTime"] for row in client.list(path)}


def test_the_loss_of_a_master_is_survived(site):
    cluster = Cluster.objects.get(name="large")
    client = access.kubernetes_for(cluster)
    faults.kill(site.lab.host("d1"))
    for worker in ("d4", "d5"):
        seen = on(site, worker, f"python3 -c '{ASK}'")
        assert "ok" in seen
    client.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "after", "namespace": "default"}}
    )
    before = _leases(client)

    def renewed():
        now = _leases(client)
        return all(now[worker] > before[worker] for worker in ("d4", "d5"))

    processes.until(renewed, 60)
    nodes = client.list("/api/v1/nodes")
    for node in nodes:
        (ready,) = [row for row in node["status"]["conditions"] if row["type"] == "Ready"]
        assert ready["status"] == "True", node["metadata"]["name"]


def test_a_reset_names_the_host_that_is_gone_and_can_be_forced(site):
    cluster = Cluster.objects.get(name="large")
    operation = carry_out(deployment.reset_cluster(cluster=cluster, by=site.by, confirm_name="large"))
    assert operation.state == State.FAILED
    assert operation.failure["target"] == "d1"
    forced = carry_out(
        deployment.reset_cluster(cluster=cluster, by=site.by, confirm_name="large", force=True)
    )
    assert forced.state == State.SUCCEEDED, forced.failure
    assert LogLine.objects.filter(operation=forced, target="d1", level="warning").exists()
    assert Host.objects.get(name="d1").state == Host.State.UNREACHABLE
    assert Host.objects.filter(cluster=None).count() == 5
