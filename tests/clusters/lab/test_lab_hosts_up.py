"""Up, down and status against an engine that only remembers: what is done, and what is left when it fails."""

import json
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network

import pytest

from clusters.lab import daemon, faults, hosts, image, plan, ssh, state
from clusters.lab.errors import (
    BrokenState,
    EngineRefused,
    EngineUnavailable,
    HostsNotReady,
    InvalidLab,
    UnknownLab,
)


def nobody_answers(hosts, **_):
    raise HostsNotReady("0 of 2 hosts", why="silence", remedy="Wait.")


def test_up_makes_the_network_and_every_host(engine):
    lab = hosts.up(hosts=3)
    assert engine.machine.networks == {"kcloud-demo": "172.30.0.0/24"}
    assert sorted(engine.machine.containers) == ["kcloud-demo-h1", "kcloud-demo-h2", "kcloud-demo-h3"]
    assert lab.changes == ("h1: create", "h2: create", "h3: create")
    assert [host.address for host in lab.hosts] == ["172.30.0.11", "172.30.0.12", "172.30.0.13"]


def test_up_records_each_hosts_key_and_how_to_log_in(engine):
    lab = hosts.up(hosts=2)
    assert lab.host("h2").host_key == "ssh-ed25519 KEY-OF-kcloud-demo-h2"
    assert "172.30.0.12 ssh-ed25519 KEY-OF-kcloud-demo-h2\n" in lab.known_hosts_path.read_text()
    assert lab.key_path.stat().st_mode & 0o777 == 0o600
    assert hosts.get("demo") == lab


def test_up_gives_every_host_the_labs_public_key(engine):
    lab = hosts.up(hosts=1)
    public = ssh.make_key(lab.key_path)
    assert f"--env=LAB_AUTHORIZED_KEY={public}" in engine.calls("run")[0]


def test_a_second_up_changes_nothing(engine):
    first = hosts.up(hosts=3)
    made = len(engine.calls("run"))
    record = (state.folder("demo") / "lab.json").read_text()
    second = hosts.up(hosts=3)
    assert second.changes == ()
    assert second == first
    assert len(engine.calls("run")) == made
    assert (state.folder("demo") / "lab.json").read_text() == record


def test_a_second_up_without_a_number_keeps_the_hosts_there_are(engine):
    hosts.up(hosts=2)
    assert len(hosts.up().hosts) == 2


def test_a_second_up_does_not_look_for_an_image(engine, monkeypatch):
    hosts.up(hosts=2)
    monkeypatch.setattr(image, "ensure", lambda *_: pytest.fail("no host is to be made"))
    hosts.up()


def test_up_grows_a_lab_and_touches_no_host_it_has(engine):
    before = hosts.up(hosts=2)
    after = hosts.up(hosts=3)
    assert after.changes == ("h3: create",)
    assert after.hosts[:2] == before.hosts


@pytest.mark.parametrize(
    ("fault", "change"),
    [(faults.kill, "h2: start"), (faults.pause, "h2: unpause"), (faults.disconnect, "h2: connect")],
)
def test_up_mends_what_happened_to_a_host(engine, fault, change, monkeypatch):
    monkeypatch.setattr(faults, "Engine", lambda address: engine)
    lab = hosts.up(hosts=2)
    fault(lab.host("h2"))
    assert hosts.up().changes == (change,)
    assert hosts.up().changes == ()
    assert engine.machine.containers["kcloud-demo-h2"]["networks"] == {"kcloud-demo": "172.30.0.12"}


def test_up_makes_a_host_again_that_somebody_removed(engine):
    lab = hosts.up(hosts=2)
    engine.run("rm", "--force", "--volumes", lab.host("h1").container)
    assert hosts.up().changes == ("h1: create",)


def test_up_goes_on_where_a_killed_up_stopped(engine):
    """Killed between its record and its containers: the record names hosts that have no key and do not run."""
    whole = hosts.up(hosts=2)
    engine.run("rm", "--force", "--volumes", whole.host("h2").container)
    state.save(replace(whole, hosts=tuple(replace(host, host_key="") for host in whole.hosts)))
    mended = hosts.up(hosts=2)
    assert mended.changes == ("h2: create",)
    assert mended == whole


def test_two_labs_stand_side_by_side_on_networks_of_their_own(engine):
    hosts.up(name="one", hosts=2)
    second = hosts.up(name="two", hosts=2)
    assert second.subnet == "172.30.1.0/24"
    assert len(engine.machine.containers) == 4
    assert hosts.names() == ["one", "two"]


def test_up_refuses_a_network_this_machine_uses(engine, monkeypatch):
    routes = {IPv4Network("172.30.0.0/16"): "this machine's route by eth1"}
    monkeypatch.setattr(hosts, "local_routes", lambda: routes)
    with pytest.raises(InvalidLab, match="this machine's route by eth1"):
        hosts.up(subnet="172.30.5.0/24")
    assert hosts.names() == []
    assert engine.log == []


def test_up_refuses_bad_values_before_it_touches_anything(engine, state_root):
    with pytest.raises(InvalidLab):
        hosts.up(hosts=999)
    assert engine.log == []
    assert not state_root.exists()


def test_a_new_lab_that_fails_leaves_nothing(engine, state_root):
    engine.__dict__["fails_on"] = "--hostname=h2"
    with pytest.raises(EngineRefused, match="told to fail"):
        hosts.up(hosts=3)
    assert engine.machine.containers == {}
    assert engine.machine.networks == {}
    assert engine.machine.volumes == 0
    assert not state_root.exists()
    assert engine.running == {"engine": False}


def test_a_new_lab_whose_hosts_stay_silent_leaves_nothing(engine, state_root, monkeypatch):
    monkeypatch.setattr(ssh, "wait", nobody_answers)
    with pytest.raises(HostsNotReady):
        hosts.up(hosts=2)
    assert engine.machine.containers == {}
    assert not state_root.exists()


def test_an_interrupted_new_lab_leaves_nothing(engine, state_root, monkeypatch):
    def interrupted(hosts, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ssh, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hosts.up(hosts=2)
    assert engine.machine.containers == {}
    assert not state_root.exists()


def test_a_lab_that_fails_to_grow_is_as_before(engine):
    before = hosts.up(hosts=2)
    engine.__dict__["fails_on"] = "--hostname=h4"
    with pytest.raises(EngineRefused):
        hosts.up(hosts=4)
    assert sorted(engine.machine.containers) == ["kcloud-demo-h1", "kcloud-demo-h2"]
    assert hosts.get("demo") == before


def test_the_cause_is_told_even_when_cleaning_up_fails_too(engine, monkeypatch):
    monkeypatch.setattr(ssh, "wait", nobody_answers)
    engine.__dict__["fails_on"] = "rm"
    with pytest.raises((HostsNotReady, EngineRefused)) as failure:
        hosts.up(hosts=2)
    chain = [failure.value, failure.value.__context__]
    assert any(isinstance(error, HostsNotReady) for error in chain)


def test_a_lost_key_is_named_rather_than_replaced(engine):
    lab = hosts.up(hosts=1)
    lab.key_path.unlink()
    with pytest.raises(BrokenState, match="key of lab 'demo' is gone"):
        hosts.up()
    assert not lab.key_path.exists()


def test_down_leaves_nothing_and_stops_the_engine_with_the_last_lab(engine, state_root):
    hosts.up(hosts=2)
    assert hosts.down() is True
    assert (engine.machine.containers, engine.machine.networks, engine.machine.volumes) == ({}, {}, 0)
    assert not state_root.exists()
    assert engine.running == {"engine": False}


def test_down_leaves_the_engine_to_another_lab(engine):
    hosts.up(name="one", hosts=1)
    hosts.up(name="two", hosts=1)
    hosts.down(name="one")
    assert list(engine.machine.containers) == ["kcloud-two-h1"]
    assert engine.running == {"engine": True}
    assert hosts.names() == ["two"]


def test_down_of_a_lab_that_is_not_there_says_so(engine):
    assert hosts.down(name="never") is False


def test_down_removes_what_a_broken_record_left(engine):
    hosts.up(hosts=2)
    (state.folder("demo") / "lab.json").write_text("{")
    assert hosts.down() is True
    assert engine.machine.containers == {}


def test_down_removes_containers_whose_record_is_lost(engine):
    hosts.up(hosts=2)
    state.forget("demo")
    assert hosts.down() is True
    assert engine.machine.containers == {}


def test_down_refuses_a_name_that_is_a_path(engine):
    with pytest.raises(InvalidLab):
        hosts.down(name="../../etc")


def test_down_works_where_there_is_no_docker_at_all(monkeypatch):
    def no_docker(progress):
        raise AssertionError("nothing to start an engine for")

    monkeypatch.setattr(daemon, "obtain", no_docker)
    monkeypatch.setattr(daemon, "exists", lambda: False)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert hosts.down(name="never") is False


def test_status_tells_each_hosts_state(engine, monkeypatch):
    monkeypatch.setattr(faults, "Engine", lambda address: engine)
    lab = hosts.up(hosts=4)
    faults.kill(lab.host("h2"))
    faults.disconnect(lab.host("h3"))
    engine.run("rm", "--force", lab.host("h4").container)
    found = {host.name: (host.state, host.started_at) for host in hosts.status()}
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found == {
        "h1": ("running", since),
        "h2": ("exited", None),
        "h3": ("running (cut off)", since),
        "h4": ("absent", None),
    }


def test_status_with_the_engine_gone_calls_all_hosts_absent(engine, monkeypatch):
    hosts.up(hosts=2)
    monkeypatch.setattr(type(engine), "answers", lambda self: False)
    assert [host.state for host in hosts.status()] == ["absent", "absent"]


def test_status_of_an_unknown_lab_is_refused(engine):
    with pytest.raises(UnknownLab):
        hosts.status(name="never")


def test_progress_names_each_host_as_it_comes(engine):
    told = []
    hosts.up(hosts=2, progress=told.append)
    assert {"h1 172.30.0.11: create", "h2 172.30.0.12: create"} <= set(told)
    assert told[-1] == "Waiting for 2 hosts to answer by SSH"


def test_local_routes_are_networks_with_their_interface(monkeypatch):
    answer = [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "10.1.2.3", "dev": "tun0"},
        {"dst": "10.9.0.0/16", "type": "blackhole"},
    ]
    result = subprocess.CompletedProcess([], 0, stdout=json.dumps(answer))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: result)
    assert hosts.local_routes() == {
        IPv4Network("192.0.2.0/24"): "this machine's route by eth0",
        IPv4Network("10.1.2.3/32"): "this machine's route by tun0",
        IPv4Network("10.9.0.0/16"): "this machine's route by no device",
    }


def test_connect_gives_the_address_back_and_takes_the_way_out(engine, monkeypatch):
    monkeypatch.setattr(faults, "Engine", lambda address: engine)
    host = hosts.up(hosts=1).host("h1")
    faults.disconnect(host)
    assert engine.machine.containers[host.container]["networks"] == {}
    faults.connect(host)
    assert engine.machine.containers[host.container]["networks"] == {"kcloud-demo": host.address}
    assert engine.calls("exec")[-1] == ("exec", host.container, "ip", "route", "del", "default")


def test_a_reboot_is_a_power_cut_and_a_start(engine, monkeypatch):
    monkeypatch.setattr(faults, "Engine", lambda address: engine)
    host = hosts.up(hosts=1).host("h1")
    faults.reboot(host)
    assert engine.log[-2:] == [("kill", "--signal=KILL", host.container), ("start", host.container)]


def test_a_fault_on_a_lab_that_is_gone_is_refused(engine):
    host = hosts.up(hosts=1).host("h1")
    hosts.down()
    with pytest.raises(UnknownLab):
        faults.kill(host)


def test_an_engine_that_cannot_be_had_leaves_no_record(monkeypatch, state_root):
    def none(progress):
        raise EngineUnavailable("No engine", why="none", remedy="Start one.")

    monkeypatch.setattr(daemon, "obtain", none)
    monkeypatch.setattr(daemon, "exists", lambda: False)
    monkeypatch.setattr(hosts, "local_routes", dict)
    with pytest.raises(EngineUnavailable):
        hosts.up(hosts=1)
    assert not state_root.exists()


def test_plan_names_match_what_down_looks_for(engine):
    lab = hosts.up(name="x", hosts=1)
    assert lab.spec.network == "kcloud-x"
    assert lab.hosts[0].container == plan.container_name("x", "h1")
