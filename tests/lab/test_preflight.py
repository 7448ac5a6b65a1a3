"""Preflight against real hosts: fit ones pass, and each thing put in its way is seen, by the name of its host."""

import subprocess

import pytest

from clusters.lab import faults
from clusters.lab import hosts as lab_hosts
from clusters.lab import ssh as lab_ssh
from clusters.models import Host, Region
from clusters.preflight.checks import HOST_CHECKS
from clusters.selectors.preflight import preflight_verdict
from clusters.services import credentials, hosts, plans, preflight
from kcloud_site.operations import runner

pytestmark = [pytest.mark.lab, pytest.mark.django_db]

NAMES = ["p1", "p2", "p3"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCLOUD_STATE", str(tmp_path_factory.mktemp("lab-state") / "kcloud"))
        yield lab_hosts.up(name="t-preflight", hosts=3, prefix="p", subnet="172.31.243.0/24")
        lab_hosts.down(name="t-preflight")


@pytest.fixture
def on(lab):
    """Runs a command as root on a host."""

    def run(name, command):
        argv = lab_ssh.command(lab, lab.host(name), ["sudo", "sh", "-c", f"'{command}'"])
        subprocess.run(argv, check=True, timeout=30, capture_output=True)

    return run


@pytest.fixture
def cluster(lab, operator):
    region = Region.objects.create(name="lab")
    credential = credentials.create_credential(
        name="lab-key",
        username=lab.hosts[0].user,
        kind="ssh-key",
        secret=lab.key_path.read_text(),
        by=operator,
    )
    for machine in lab.hosts:
        hosts.enrol_host(
            name=machine.name, region=region, address=machine.address, credential=credential, by=operator
        )
    return plans.create_cluster(spec=data(), by=operator)


def data(**changes):
    return {
        "name": "real",
        "region": "lab",
        "version": "1.34.4",
        "masters": ["p1"],
        "pools": [{"name": "workers", "hosts": ["p2", "p3"]}],
        **changes,
    }


def check(cluster, by):
    operation = preflight.start_preflight(cluster=cluster, by=by)
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.failure
    return preflight_verdict(cluster)


def problems(verdict):
    """What does not pass on hosts, but the control groups this kernel happens to have."""
    rows = [row for row in verdict.checks if row.host and row.verdict != "pass" and row.key != "cgroup"]
    return {(row.host, row.key, row.verdict, row.facts["code"]) for row in rows}


def test_fit_hosts_pass_every_check_but_an_old_cgroup_version(cluster, operator):
    verdict = check(cluster, operator)
    assert problems(verdict) == set()
    for name in NAMES:
        assert {row.key for row in verdict.checks if row.host == name} == set(HOST_CHECKS)


def test_preflight_leaves_the_hosts_as_they_were(cluster, operator, lab):
    before = {host.name: host.facts["signs"] for host in Host.objects.all()}
    check(cluster, operator)
    assert {host.name: host.facts["signs"] for host in Host.objects.all()} == before


def test_a_port_in_use_blocks_with_its_number_and_program(cluster, operator, on):
    on(
        "p2",
        "systemd-run --unit=busy python3 -m http.server 10250 && until ss -ltn | grep -q :10250; do :; done",
    )
    try:
        verdict = check(cluster, operator)
    finally:
        on("p2", "systemctl stop busy")
    assert problems(verdict) == {("p2", "ports", "block", "busy")}
    row = next(row for row in verdict.blocks if row.key == "ports")
    assert row.facts["ports"] == "10250 (python3)"


def test_a_kubelet_left_behind_blocks_and_is_named(cluster, operator, on):
    on("p3", "mkdir -p /var/lib/kubelet && touch /var/lib/kubelet/config.yaml")
    try:
        verdict = check(cluster, operator)
    finally:
        on("p3", "rm -r /var/lib/kubelet")
    assert problems(verdict) == {("p3", "existing", "block", "kubernetes")}
    assert "/var/lib/kubelet" in next(row for row in verdict.blocks if row.host).facts["found"]


def test_two_hosts_with_one_machine_id_block_each_other(cluster, operator, on, lab):
    machine_id = Host.objects.get(name="p2").facts["machine_id"]
    kept = Host.objects.get(name="p3").facts["machine_id"]
    on("p3", f"umount /etc/machine-id 2>/dev/null; echo {machine_id} > /etc/machine-id")
    try:
        verdict = check(cluster, operator)
    finally:
        on("p3", f"echo {kept} > /etc/machine-id")
    assert problems(verdict) == {
        ("p2", "identity", "block", "machine_id"),
        ("p3", "identity", "block", "machine_id"),
    }


def test_a_network_the_hosts_stand_in_blocks_on_each_with_a_free_one(cluster, operator):
    wanted = data(network={"pod_cidr": "172.31.240.0/21"})
    plans.revise_plan(cluster=cluster, spec=wanted, by=operator, expected_revision=1)
    verdict = check(cluster, operator)
    assert problems(verdict) == {(name, "addresses", "block", "pods") for name in NAMES}
    assert {row.facts["other"] for row in verdict.blocks if row.host} == {"172.31.243.0/24"}


def test_a_host_without_sshd_blocks_by_name_and_the_others_are_judged(cluster, operator, on, lab):
    on("p3", "systemctl stop ssh.socket ssh.service")
    try:
        verdict = check(cluster, operator)
    finally:
        faults.kill(lab.host("p3"))
        faults.start(lab.host("p3"))
    assert problems(verdict) == {("p3", "ssh", "block", "HostUnreachable")}
    assert {row.host for row in verdict.checks if row.key == "memory"} == {"p1", "p2"}


def test_a_host_reinstalled_under_its_address_is_not_trusted(cluster, operator):
    other = Host.objects.get(name="p1").host_key
    Host.objects.filter(name="p2").update(host_key=other)
    assert problems(check(cluster, operator)) == {("p2", "ssh", "block", "HostKeyChanged")}
