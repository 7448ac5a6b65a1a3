"""Hosts of a real lab: enrolled, gathered, imported, and honest about what fails."""

from dataclasses import replace

import pytest

from clusters.access import ssh_for
from clusters.adapters import ssh
from clusters.errors import HostKeyChanged, HostUnreachable, SignInRefused, SudoRefused
from clusters.hosts.facts import stored
from clusters.lab import faults
from clusters.lab import hosts as lab_hosts
from clusters.models import Host
from clusters.services import credentials, host_facts, host_imports, hosts, regions
from kcloud_site.operations import runner
from kcloud_site.operations.models import State, StepTarget

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCLOUD_STATE", str(tmp_path_factory.mktemp("lab-state") / "kcloud"))
        yield lab_hosts.up(name="t-enrol", hosts=2, prefix="n", subnet="172.31.241.0/24")
        lab_hosts.down(name="t-enrol")


@pytest.fixture
def region(operator):
    return regions.create_region(name="lab", by=operator)


@pytest.fixture
def credential(operator, lab):
    return credentials.create_credential(
        name="lab-key",
        username=lab.hosts[0].user,
        kind="ssh-key",
        secret=lab.key_path.read_text(),
        by=operator,
    )


@pytest.fixture
def enrolled(lab, region, credential, operator):
    first = lab.hosts[0]
    return hosts.enrol_host(
        name=first.name, region=region, address=first.address, credential=credential, by=operator
    )


def test_an_enrolled_host_is_ready_with_its_facts_and_key(enrolled, lab):
    enrolled.refresh_from_db()
    facts = stored(enrolled.facts)
    assert enrolled.state == Host.State.READY
    assert enrolled.host_key == " ".join(lab.hosts[0].host_key.split()[:2])
    assert facts.hostname == enrolled.name
    assert facts.root
    assert facts.os_id == "debian"
    assert facts.problems == {}
    assert [found.program for found in facts.listeners_on(22)] == ["sshd", "sshd"]


def test_a_list_is_enrolled_by_one_operation_and_the_dead_row_is_named(lab, region, credential, operator):
    live = lab.hosts[1]
    text = f"name,address\n{live.name},{live.address}\nghost,172.31.241.250\n"
    made = host_imports.import_hosts(
        data=text.encode(), format="csv", region=region, credential=credential, by=operator
    )
    runner.run(made.operation.pk)
    made.operation.refresh_from_db()
    assert made.operation.state == State.FAILED
    states = dict(StepTarget.objects.values_list("target", "state"))
    assert states == {live.name: State.SUCCEEDED, "ghost": State.FAILED}
    assert Host.objects.get(name=live.name).state == Host.State.READY
    ghost = Host.objects.get(name="ghost")
    assert ghost.state == Host.State.UNREACHABLE
    assert "172.31.241.250:22" in ghost.state_reason


def test_a_host_that_went_away_says_so_and_keeps_its_facts(enrolled, lab):
    known = enrolled.facts
    faults.disconnect(lab.hosts[0])
    try:
        with pytest.raises(HostUnreachable):
            host_facts.gather_facts(host=enrolled)
    finally:
        faults.connect(lab.hosts[0])
    enrolled.refresh_from_db()
    assert enrolled.state == Host.State.UNREACHABLE
    assert enrolled.facts == known
    host_facts.gather_facts(host=enrolled)
    enrolled.refresh_from_db()
    assert (enrolled.state, enrolled.state_reason) == (Host.State.READY, "")


def test_another_machine_at_the_address_is_never_signed_in_to(enrolled, lab, operator):
    enrolled.host_key = " ".join(lab.hosts[1].host_key.split()[:2])
    enrolled.save()
    with pytest.raises(HostKeyChanged) as changed:
        host_facts.gather_facts(host=enrolled)
    assert changed.value.seen == ssh.fingerprint(" ".join(lab.hosts[0].host_key.split()[:2]))
    hosts.accept_new_host_key(host=enrolled, fingerprint=changed.value.seen, by=operator)
    assert host_facts.gather_facts(host=enrolled).hostname == enrolled.name


WITHOUT_SUDO = """
import os, subprocess
wait = "until test -e /tmp/again; do sleep 0.1; done"
keep = "mv /etc/sudoers.d/kcloud /root/sudoers; " + wait + "; mv /root/sudoers /etc/sudoers.d/kcloud"
subprocess.Popen(["sh", "-c", keep], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
while os.path.exists("/etc/sudoers.d/kcloud"):
    pass
"""


def test_a_user_without_sudo_is_refused_with_the_remedy(enrolled):
    target = ssh_for(enrolled)
    ssh.run_script(target, WITHOUT_SUDO)
    try:
        with pytest.raises(SudoRefused) as refused:
            host_facts.gather_facts(host=enrolled)
    finally:
        wait = "touch /tmp/again; until sudo -n true 2>/dev/null; do sleep 0.1; done; sudo -n rm /tmp/again"
        ssh.run_script(target, "", interpreter=wait)
    assert "NOPASSWD" in refused.value.remedy
    assert host_facts.gather_facts(host=enrolled).root


BY_PASSWORD = """
import pathlib, subprocess
allowed = "PasswordAuthentication yes\\nAllowUsers kcloud bypassword\\n"
pathlib.Path("/etc/ssh/sshd_config.d/lab.conf").write_text(allowed)
subprocess.run(["useradd", "--create-home", "--shell", "/bin/bash", "bypassword"], check=True)
subprocess.run(["chpasswd"], input=b"bypassword:%s", check=True)
pathlib.Path("/etc/sudoers.d/bypassword").write_text("bypassword ALL=(ALL) NOPASSWD: ALL\\n")
subprocess.run(["systemctl", "reload", "ssh"], check=True)
"""


def test_a_password_signs_in_too_and_is_told_nowhere(enrolled, operator, lab):
    word = "correct horse $(id) 'battery'"
    ssh.run_script(ssh_for(enrolled), BY_PASSWORD % word)
    by_word = credentials.create_credential(
        name="by-word", username="bypassword", kind="password", secret=word, by=operator
    )
    hosts.revise_host(host=enrolled, region=enrolled.region, credential=by_word, by=operator)
    target = ssh_for(enrolled)
    assert host_facts.gather_facts(host=enrolled).root
    look = "import os, subprocess; print(os.environ, subprocess.getoutput('ps axeww'))"
    assert word not in ssh.run_script(target, look)
    with pytest.raises(SignInRefused) as refused:
        ssh.run_script(replace(target, password="wrong"), "")
    assert "wrong" not in str(refused.value)
