"""Real lab hosts: what a person gets from ``lab up``, what faults do, and that ``down`` leaves nothing.

Its own state folder, so that a lab somebody works with on this machine is not touched.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from clusters.lab import daemon, faults, hosts, remains, ssh, state
from clusters.lab.engine import Engine
from clusters.lab.errors import EngineRefused, HostsNotReady, InvalidLab
from clusters.lab.plan import LAB_LABEL, bridge_name

pytestmark = pytest.mark.lab

NAME = "t-lab"
SUBNET = "172.31.240.0/24"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KCLOUD_STATE", str(tmp_path_factory.mktemp("lab-state") / "kcloud"))
        yield hosts.up(name=NAME, hosts=2, subnet=SUBNET)
        hosts.down(name=NAME)


def on(lab, name, command):
    """What a command printed on a host, reached as the product reaches it: by SSH, as the lab's user."""
    line = ssh.command(lab, lab.host(name), [command])
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def each(lab, command):
    return [on(lab, host.name, command) for host in lab.hosts]


def test_every_host_lets_the_labs_user_in_and_become_root(lab):
    assert each(lab, "hostname; id -un; sudo -n id -un") == ["h1\nkcloud\nroot", "h2\nkcloud\nroot"]


def test_a_password_or_another_key_opens_nothing(lab, tmp_path):
    other = tmp_path / "other"
    ssh.make_key(other)
    line = [
        str(other) if word == str(lab.key_path) else word for word in ssh.command(lab, lab.hosts[0], ["id"])
    ]
    result = subprocess.run(
        [*line[:1], "-o", "BatchMode=yes", *line[1:]], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 255
    assert "Permission denied (publickey)" in result.stderr


def test_root_is_not_let_in(lab):
    line = [word.replace("kcloud@", "root@") for word in ssh.command(lab, lab.hosts[0], ["id"])]
    result = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert "Permission denied" in result.stderr


def test_no_two_hosts_are_the_same_machine(lab):
    machine_ids = each(lab, "cat /etc/machine-id")
    assert all(len(one) == 32 for one in machine_ids)
    assert len(set(machine_ids)) == 2
    assert len({host.host_key for host in lab.hosts}) == 2


def test_systemd_runs_without_a_failed_unit(lab):
    assert each(lab, "systemctl is-system-running --wait; systemctl --failed --no-legend") == ["running"] * 2


def test_hosts_reach_each_other_and_nobody_else(lab):
    assert each(lab, "ip route show default") == ["", ""]
    assert each(lab, "ip -6 route show default") == ["", ""]
    probe = f"ping -c1 -W5 {lab.hosts[1].address} >/dev/null && echo reached"
    assert on(lab, "h1", f"sudo {probe}") == "reached"
    outside = "ping -c1 -W1 192.0.2.1 2>&1 || true"
    assert "unreachable" in on(lab, "h1", f"sudo {outside}")


def test_a_host_can_do_what_a_node_must(lab):
    """Mount, tune its own network, group processes, make veth pairs: what kubelet and its runtime need."""
    script = (
        "set -e; "
        "mount -t tmpfs none /mnt; umount /mnt; "
        "sysctl -qw net.ipv4.ip_forward=1; cat /proc/sys/net/ipv4/ip_forward; "
        "for d in /sys/fs/cgroup/memory /sys/fs/cgroup; do [ -w $d/cgroup.procs ] && break; done; "
        "mkdir $d/probe; rmdir $d/probe; "
        "ip link add probe0 type veth peer name probe1; ip link del probe0; "
        "iptables -t nat -L -n >/dev/null; findmnt -no FSTYPE /var"
    )
    shared = on(lab, "h1", "findmnt -no PROPAGATION /")
    answer = on(lab, "h1", f"sudo sh -c '{script}'").splitlines()
    assert "shared" in shared
    assert answer[0] == "1"
    assert answer[-1] != "overlay"


def test_python_is_there_for_ansible(lab):
    assert each(lab, "python3 -c 'import json, apt; print(1)'") == ["1", "1"]


def test_a_second_up_changes_nothing(lab):
    containers = Engine(lab.engine).containers(NAME)
    again = hosts.up(name=NAME, hosts=2, subnet=SUBNET)
    assert again.changes == ()
    assert again == lab
    assert Engine(lab.engine).containers(NAME) == containers


def test_status_says_since_when_hosts_run(lab):
    found = hosts.status(name=NAME)
    assert [(host.name, host.state) for host in found] == [("h1", "running"), ("h2", "running")]
    assert all(host.started_at for host in found)


def test_a_second_lab_may_not_take_its_network(lab):
    with pytest.raises(InvalidLab, match="overlaps"):
        hosts.up(name="t-other", hosts=1, subnet="172.31.240.0/25")
    assert not state.folder("t-other").exists()


def test_a_power_cut_ends_a_host_and_a_start_brings_the_same_one_back(lab):
    host = lab.host("h1")
    before = on(lab, "h1", "cat /etc/machine-id; sudo touch /var/lib/kept; sudo touch /run/lost")
    faults.kill(host)
    assert [one.state for one in hosts.status(name=NAME)] == ["exited", "running"]
    with pytest.raises(HostsNotReady):
        ssh.wait([host], seconds=0.5)
    faults.start(host)
    assert on(lab, "h1", "cat /etc/machine-id; ls /var/lib/kept") == f"{before}\n/var/lib/kept"
    assert on(lab, "h1", "ls /run/lost 2>/dev/null || echo gone") == "gone"
    assert on(lab, "h1", "ip route show default") == ""


def test_a_frozen_host_holds_its_connection_and_says_nothing(lab):
    host = lab.host("h2")
    faults.pause(host)
    try:
        with pytest.raises(HostsNotReady, match="timed out"):
            ssh.wait([host], seconds=1.5)
    finally:
        faults.unpause(host)
    ssh.wait([host])
    assert on(lab, "h2", "hostname") == "h2"


def test_a_host_off_the_network_runs_on_and_comes_back_at_its_address(lab):
    host = lab.host("h2")
    uptime = "cut -d. -f1 /proc/1/stat >/dev/null; stat -c %Y /proc/1"
    before = on(lab, "h2", uptime)
    faults.disconnect(host)
    assert hosts.status(name=NAME)[1].state == "running (cut off)"
    with pytest.raises(HostsNotReady):
        ssh.wait([host], seconds=0.5)
    faults.connect(host)
    assert on(lab, "h2", uptime) == before
    assert on(lab, "h2", "ip route show default") == ""


def test_up_mends_a_host_that_is_off(lab):
    faults.kill(lab.host("h2"))
    assert hosts.up(name=NAME).changes == ("h2: start",)


def test_a_fault_that_cannot_be_is_refused_in_words(lab):
    faults.kill(lab.host("h1"))
    try:
        with pytest.raises(EngineRefused, match="not running"):
            faults.pause(lab.host("h1"))
    finally:
        faults.start(lab.host("h1"))


def test_down_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("KCLOUD_STATE", str(tmp_path / "kcloud"))
    name = "t-gone"
    made = hosts.up(name=name, hosts=2, subnet="172.31.241.0/24")
    engine = Engine(made.engine)
    ours = engine == daemon.ours()
    volumes = set(engine.run("volume", "ls", "--quiet").split())
    assert Path(f"/sys/class/net/{bridge_name(name)}").exists()
    assert hosts.down(name=name) is True
    assert not Path(f"/sys/class/net/{bridge_name(name)}").exists()
    assert not (tmp_path / "kcloud").exists()
    if ours:
        assert not daemon.exists()
        assert not engine.answers()
        assert processes_naming(str(daemon.runtime())) == []
        assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
        assert list(remains.CGROUPS.rglob(daemon.cgroup())) == []
    else:
        assert engine.containers(name) == []
        assert engine.run("network", "ls", f"--filter=label={LAB_LABEL}={name}", "--quiet") == ""
        assert len(set(engine.run("volume", "ls", "--quiet").split())) <= len(volumes) - 2
    assert hosts.down(name=name) is False


def test_an_engine_that_died_comes_back_with_its_hosts(tmp_path, monkeypatch):
    monkeypatch.setenv("KCLOUD_STATE", str(tmp_path / "kcloud"))
    name = "t-died"
    made = hosts.up(name=name, hosts=1, subnet="172.31.242.0/24")
    try:
        if Engine(made.engine) != daemon.ours():
            pytest.skip("the engine of this machine is not the lab's to kill")
        os.kill(int((daemon.runtime() / "docker.pid").read_text()), signal.SIGKILL)
        again = hosts.up(name=name)
        assert again.changes == ("h1: start",)
        assert on(again, "h1", "hostname") == "h1"
    finally:
        hosts.down(name=name)
    assert processes_naming(str(daemon.runtime())) == []
    assert not daemon.exists()


def processes_naming(text):
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found
