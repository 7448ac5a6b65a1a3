"""Preflight as an operation: what hosts answer becomes rows, verdicts belong to a revision, warnings are accepted."""

import json
import threading

import pytest

from clusters.adapters import ssh
from clusters.errors import HostKeyChanged, HostUnreachable, OverrideRefused, PlanLocked
from clusters.hosts import facts as host_facts
from clusters.models import Bundle, Cluster, Credential, Host, Membership, Node, PreflightCheck, Region
from clusters.selectors.preflight import preflight_verdict
from clusters.services import bundles, plans, preflight, preflight_run
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import runner
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.operations.models import Operation, StepTarget

pytestmark = pytest.mark.django_db

NAMES = ["m1", "w1", "w2", "s1"]


def answer(name, **changes):
    """What the probe of a healthy host prints."""
    number = NAMES.index(name) + 11
    data = {
        "hostname": name,
        "kernel": "6.1.0-18-amd64",
        "cpus": 4,
        "memory": 8 << 30,
        "clock": 0.0,
        "machine_id": f"{number:032x}",
        "root": True,
        "os_id": "debian",
        "os_version": "12",
        "os_name": "Debian GNU/Linux 12 (bookworm)",
        "architecture": "x86_64",
        "systemd": True,
        "mounts": [{"path": "/", "size": 100 << 30, "free": 60 << 30}],
        "nics": [{"name": "eth0", "addresses": [f"172.30.0.{number}/24"]}],
        "routes": [{"interface": "eth0", "network": "172.30.0.0/24"}],
        "cgroup_version": 2,
        "listening": [{"protocol": "tcp", "port": 22, "address": "0.0.0.0", "program": "sshd"}],
        "modules": dict.fromkeys(["overlay", "br_netfilter", "nf_conntrack", "nf_tables"], "loaded"),
    }
    return {**data, **changes}


class Fleet:
    """Hosts as `ssh.run_script` sees them: change an answer, or make it an error."""

    def __init__(self):
        self.changes = {}
        self.asked = []
        self.lock = threading.Lock()

    def run_script(self, target, script, *, interpreter="", timeout=60, limit=0):
        assert script == host_facts.PROBE
        with self.lock:
            self.asked.append(target.name)
        change = self.changes.get(target.name, {})
        if isinstance(change, Exception):
            raise change
        if isinstance(change, str):
            return change
        import time

        data = answer(target.name, **{"clock": time.time(), **change})
        return f"KCLOUD-FACTS 1 {json.dumps(data)}\n"


@pytest.fixture
def fleet(monkeypatch):
    fleet = Fleet()
    monkeypatch.setattr(ssh, "run_script", fleet.run_script)
    monkeypatch.setattr(
        preflight_run,
        "_target",
        lambda host: (ssh.SshTarget(name=host.name, address=host.address, username="kcloud"), ""),
    )
    return fleet


@pytest.fixture
def bundle(monkeypatch):
    monkeypatch.setattr(bundles, "refresh_bundle", lambda *, version: None)
    return Bundle.objects.create(
        version="1.34.4",
        path="/bundles/1.34.4",
        manifest_sha256="0" * 64,
        size=700 << 20,
        state="verified",
        verified_at="2026-01-01T00:00:00Z",
        components={
            "arch": "amd64",
            "suite": "bookworm",
            "files": 60,
            "key": "abcdef",
            "programs": [
                "etcd",
                "kcloud-network-policy",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-network-policies",
                "kube-proxy",
                "kube-scheduler",
                "kubelet",
            ],
        },
    )


@pytest.fixture
def hosts():
    region = Region.objects.create(name="east")
    credential = Credential.objects.create(name="lab", username="kcloud", sealed_secret=b"x")
    return {
        name: Host.objects.create(
            name=name, region=region, address=f"172.30.0.{n}", credential=credential, state="ready"
        )
        for n, name in enumerate(NAMES, start=11)
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


@pytest.fixture
def cluster(hosts, operator):
    return plans.create_cluster(spec=data(), by=operator)


def check(cluster, by):
    """Run a preflight to its end and answer what it says."""
    operation = preflight.start_preflight(cluster=cluster, by=by)
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.state == "succeeded", operation.failure
    return preflight_verdict(cluster)


def found(verdict, key, host=""):
    return next(each for each in verdict.checks if (each.key, each.host) == (key, host))


def test_a_plan_nobody_checked_may_not_be_deployed(cluster):
    verdict = preflight_verdict(cluster)
    assert (verdict.state, verdict.may_deploy, verdict.total) == ("never", False, 0)


def test_healthy_hosts_pass_and_only_the_single_master_is_warned_of(cluster, fleet, bundle, operator):
    verdict = check(cluster, operator)
    assert [(each.key, each.verdict) for each in verdict.checks if each.verdict != "pass"] == [
        ("host_loss", "warn")
    ]
    assert verdict.state == "warnings"
    assert sorted(fleet.asked) == ["m1", "w1", "w2"]


def test_each_host_is_asked_once_and_has_every_check(cluster, fleet, bundle, operator):
    from clusters.preflight.checks import HOST_CHECKS, PLAN_CHECKS

    verdict = check(cluster, operator)
    for host in ("m1", "w1", "w2"):
        assert {each.key for each in verdict.checks if each.host == host} == set(HOST_CHECKS)
    assert {each.key for each in verdict.checks if not each.host} == set(PLAN_CHECKS)


def test_preflight_changes_nothing_but_what_is_known_of_the_hosts(cluster, fleet, bundle, operator, hosts):
    check(cluster, operator)
    host = Host.objects.get(name="w1")
    assert (host.cluster, host.facts["cpus"]) == (None, 4)
    assert Cluster.objects.get().state == "draft"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HostUnreachable("w1 does not answer", "connection refused"), "HostUnreachable"),
        (HostKeyChanged("w1 is another"), "HostKeyChanged"),
    ],
)
def test_a_host_that_cannot_be_reached_blocks_by_name_and_the_others_are_checked(
    cluster, fleet, bundle, operator, error, code
):
    fleet.changes["w1"] = error
    verdict = check(cluster, operator)
    assert verdict.state == "blocked"
    assert [(each.host, each.facts["code"]) for each in verdict.blocks] == [("w1", code)]
    assert found(verdict, "memory", "w2").verdict == "pass"


def test_a_host_that_answers_nonsense_blocks(cluster, fleet, bundle, operator):
    fleet.changes["w2"] = "<html>"
    assert found(check(cluster, operator), "ssh", "w2").facts["code"] == "unreadable"


def test_a_credential_that_cannot_be_opened_blocks_and_is_said(hosts, cluster, bundle, operator, monkeypatch):
    verdict = check(cluster, operator)  # no fleet: the sealed secret is not one
    assert {each.facts["code"] for each in verdict.blocks if each.key == "ssh"} == {"SecretUnreadable"}


def test_two_hosts_with_one_machine_id_block_both_and_name_each_other(cluster, fleet, bundle, operator):
    fleet.changes["w2"] = {"machine_id": answer("w1")["machine_id"]}
    verdict = check(cluster, operator)
    assert found(verdict, "identity", "w1").facts["others"] == "w2"
    assert found(verdict, "identity", "w2").facts["others"] == "w1"


def test_a_machine_enrolled_a_second_time_under_another_name_blocks(cluster, fleet, bundle, operator, hosts):
    Host.objects.filter(name="s1").update(facts={"machine_id": answer("w1")["machine_id"]})
    assert found(check(cluster, operator), "identity", "w1").facts["others"] == "s1"


def test_a_node_of_that_name_in_an_imported_cluster_is_warned_of(cluster, fleet, bundle, operator):
    foreign = Cluster.objects.create(name="foreign", origin="imported")
    Node.objects.create(cluster=foreign, name="w1", uid="u", seen_at="2026-01-01T00:00:00Z")
    assert found(check(cluster, operator), "identity", "w1").facts["others"] == "foreign"


def test_clocks_that_differ_among_hosts_are_named(cluster, fleet, bundle, operator):
    import time

    fleet.changes["w1"] = {"clock": time.time() + 3}
    verdict = check(cluster, operator)
    assert found(verdict, "clock", "w1").verdict == "warn"
    assert found(verdict, "clocks").facts["last"] == "w1"


def test_missing_spare_hosts_block_with_the_arithmetic(cluster, fleet, bundle, operator):
    wanted = data(pools=[{"name": "workers", "hosts": ["w1", "w2"], "count": 3}])
    plans.revise_plan(cluster=cluster, spec=wanted, by=operator, expected_revision=1)
    verdict = check(cluster, operator)
    facts = found(verdict, "hosts").facts
    assert (facts["wanted"], facts["there"], facts["missing"]) == (3, 1, 2)
    assert verdict.hosts == ("m1", "w1", "w2", "s1")


def test_another_cluster_in_the_region_with_the_same_pod_network_blocks(
    cluster, fleet, bundle, operator, hosts
):
    other = plans.create_cluster(
        spec=data(name="other", masters=["s1"], pools=[{"name": "p", "count": 1}]), by=operator
    )
    Cluster.objects.filter(pk=other.pk).update(state="ready")
    facts = found(check(cluster, operator), "networks").facts
    assert (facts["code"], facts["cluster"]) == ("pods_clash", "other")


def test_no_bundle_of_the_version_blocks(cluster, fleet, operator, settings, tmp_path):
    settings.BUNDLES_DIR = tmp_path
    assert found(check(cluster, operator), "bundle").facts["code"] == "missing"


def test_a_refused_bundle_blocks_with_the_name_of_the_file(cluster, fleet, bundle, operator):
    Bundle.objects.update(state="refused", state_reason="bin/etcd differs from the manifest")
    assert "bin/etcd" in found(check(cluster, operator), "bundle").facts["what"]


def test_a_host_of_this_very_cluster_may_be_deployed_again(cluster, fleet, bundle, operator, hosts):
    Membership.objects.create(cluster=cluster, host=hosts["w1"], role="worker", pool="workers")
    Host.objects.filter(name="w1").update(cluster=cluster)
    fleet.changes["w1"] = {
        "signs": [{"kind": "kubernetes", "what": "kubelet", "running": True}],
        "listening": [{"protocol": "tcp", "port": 10250, "address": "::", "program": "kubelet"}],
    }
    verdict = check(cluster, operator)
    assert [found(verdict, key, "w1").facts["code"] for key in ("existing", "ports")] == ["own", "own"]


def test_an_edit_makes_the_verdict_stale(cluster, fleet, bundle, operator):
    check(cluster, operator)
    plans.revise_plan(cluster=cluster, spec=data(masters=["s1"]), by=operator, expected_revision=1)
    assert preflight_verdict(cluster).state == "stale"


def test_other_spare_hosts_than_those_checked_make_the_verdict_stale(cluster, fleet, bundle, operator, hosts):
    wanted = data(pools=[{"name": "workers", "count": 2}])
    plans.revise_plan(cluster=cluster, spec=wanted, by=operator, expected_revision=1)
    assert check(cluster, operator).state == "warnings"
    Host.objects.filter(name="s1").update(state="unreachable")
    assert preflight_verdict(cluster).state == "stale"


def test_while_it_runs_the_verdict_is_running_and_a_second_one_is_refused(cluster, fleet, bundle, operator):
    preflight.start_preflight(cluster=cluster, by=operator)
    assert preflight_verdict(cluster).state == "running"
    with pytest.raises(SubjectBusy):
        preflight.start_preflight(cluster=cluster, by=operator)


def test_a_preflight_that_could_not_end_is_no_pass(cluster, fleet, bundle, operator, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("boom")

    monkeypatch.setattr(preflight_run, "quorum_finding", broken)
    operation = preflight.start_preflight(cluster=cluster, by=operator)
    runner.run(operation.pk)
    assert preflight_verdict(cluster).state == "failed"


def test_an_imported_cluster_has_no_preflight(operator):
    with pytest.raises(PlanLocked):
        preflight.start_preflight(cluster=Cluster.objects.create(name="f", origin="imported"), by=operator)


def test_the_operation_shows_each_host_as_a_target(cluster, fleet, bundle, operator):
    fleet.changes["w1"] = HostUnreachable("gone")
    check(cluster, operator)
    rows = {row.target: row.outcome["verdict"] for row in StepTarget.objects.filter(step__key="hosts")}
    assert rows == {"m1": "pass", "w1": "block", "w2": "pass"}


def test_accepting_all_warnings_lets_the_plan_be_deployed_and_is_audited(cluster, fleet, bundle, operator):
    verdict = check(cluster, operator)
    for warning in verdict.open_warnings:
        preflight.override_warning(check=warning, by=operator, reason="one master is enough here")
    verdict = preflight_verdict(cluster)
    assert (verdict.state, verdict.may_deploy, verdict.open_warnings) == ("passed", True, [])
    event = AuditEvent.objects.first()
    assert (event.action, event.after["check"], event.reason) == (
        "preflight.accept",
        "host_loss",
        "one master is enough here",
    )


def test_an_accepted_warning_stays_accepted_when_checked_again_and_says_the_same(
    cluster, fleet, bundle, operator
):
    preflight.override_warnings(checks=check(cluster, operator).open_warnings, by=operator, reason="fine")
    assert check(cluster, operator).state == "passed"


def test_an_accepted_warning_that_turns_into_another_must_be_accepted_anew(cluster, fleet, bundle, operator):
    fleet.changes["w1"] = {"swap": 1 << 30}
    preflight.override_warnings(checks=check(cluster, operator).open_warnings, by=operator, reason="fine")
    fleet.changes["w1"] = {"memory": 2 << 30}
    assert [(each.key, each.host) for each in check(cluster, operator).open_warnings] == [("memory", "w1")]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_warning_is_not_accepted_without_a_reason(cluster, fleet, bundle, operator, reason):
    warning = check(cluster, operator).open_warnings[0]
    with pytest.raises(OverrideRefused):
        preflight.override_warning(check=warning, by=operator, reason=reason)


def test_a_block_is_never_accepted_nor_the_warnings_asked_with_it(cluster, fleet, bundle, operator):
    fleet.changes["w1"] = {"memory": 1 << 30}
    verdict = check(cluster, operator)
    with pytest.raises(OverrideRefused):
        preflight.override_warnings(checks=verdict.warnings + verdict.blocks, by=operator, reason="let me")
    assert not PreflightCheck.objects.exclude(overridden_by="").exists()
    assert not AuditEvent.objects.filter(action="preflight.accept").exists()


def test_a_warning_of_an_old_revision_is_not_accepted(cluster, fleet, bundle, operator):
    warning = check(cluster, operator).open_warnings[0]
    plans.revise_plan(cluster=cluster, spec=data(masters=["s1"]), by=operator, expected_revision=1)
    with pytest.raises(OverrideRefused, match="edited, or checked again"):
        preflight.override_warning(check=warning, by=operator, reason="fine")


def test_rows_of_hosts_no_longer_checked_are_forgotten(cluster, fleet, bundle, operator, hosts):
    wanted = data(pools=[{"name": "workers", "count": 3}])
    revision = plans.revise_plan(cluster=cluster, spec=wanted, by=operator, expected_revision=1)
    check(cluster, operator)
    Host.objects.filter(name="s1").update(state="unreachable")
    check(cluster, operator)
    assert set(revision.checks.values_list("host", flat=True)) == {"", "m1", "w1", "w2"}


def test_cancelling_ends_it_between_hosts_and_a_new_one_may_start(cluster, fleet, bundle, operator):
    operation = preflight.start_preflight(cluster=cluster, by=operator)
    Operation.objects.filter(pk=operation.pk).update(cancel_requested_at="2026-01-01T00:00:00Z")
    runner.run(operation.pk)
    assert preflight_verdict(cluster).state == "failed"
    assert check(cluster, operator).state == "warnings"
