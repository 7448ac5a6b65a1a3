"""What is remembered of labs between commands."""

import json
import threading
from pathlib import Path

import pytest

from clusters.lab import state
from clusters.lab.errors import BrokenState, UnknownLab
from clusters.lab.state import Lab, LabHost


def make_lab(name="demo", hosts=2, **more):
    key_path = state.folder(name) / "id_ed25519"
    return Lab(
        name=name, subnet="172.30.0.0/24", prefix="h", engine="unix:///e.sock",
        hosts=tuple(
            LabHost(
                name=f"h{n}", address=f"172.30.0.{10 + n}", ssh_port=22, user="kcloud", key_path=key_path,
                lab=name, container=f"kcloud-{name}-h{n}", host_key=f"ssh-ed25519 KEY{n}",
            )
            for n in range(1, hosts + 1)
        ), **more,
    )  # fmt: skip


def test_a_saved_lab_comes_back_as_it_was():
    lab = make_lab(memory="2g", cpus=1.5)
    state.save(lab)
    assert state.load("demo") == lab


def test_what_a_call_did_is_not_remembered():
    state.save(make_lab(changes=("h1: create",)))
    assert state.load("demo").changes == ()


def test_paths_come_back_as_paths():
    state.save(make_lab())
    assert isinstance(state.load("demo").hosts[0].key_path, Path)


def test_an_unknown_lab_is_answered_with_those_there_are():
    state.save(make_lab("one"))
    with pytest.raises(UnknownLab, match="the labs here are: one") as refusal:
        state.load("two")
    assert "lab up --name two" in refusal.value.remedy


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": "demo"}', '{"hosts": [{"bad": 1}]}'])
def test_a_broken_record_is_named_with_a_way_out(text):
    state.save(make_lab())
    (state.folder("demo") / "lab.json").write_text(text)
    with pytest.raises(BrokenState, match=r"lab\.json") as refusal:
        state.load("demo")
    assert "lab down --name demo" in refusal.value.remedy


def test_a_write_that_fails_leaves_the_old_record(monkeypatch):
    state.save(make_lab(hosts=1))
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        state.save(make_lab(hosts=2))
    assert len(state.load("demo").hosts) == 1


def test_names_lists_only_folders_with_a_record(state_root):
    state.save(make_lab("b"))
    state.save(make_lab("a"))
    (state_root / "lab" / "leftover").mkdir()
    assert state.names() == ["a", "b"]


def test_names_is_empty_where_nothing_was_ever_made(state_root):
    assert not state_root.exists()
    assert state.names() == []


def test_forgetting_the_last_lab_leaves_no_folder(state_root):
    state.save(make_lab("one"))
    state.forget("one")
    assert not state_root.exists()


def test_forgetting_one_lab_leaves_the_other():
    state.save(make_lab("one"))
    state.save(make_lab("two"))
    state.forget("one")
    assert state.names() == ["two"]


def test_forgetting_leaves_what_others_keep_in_the_state_folder(state_root):
    state.save(make_lab("one"))
    (state_root / "db.sqlite3").write_text("x")
    state.forget("one")
    assert [path.name for path in state_root.iterdir()] == ["db.sqlite3"]


def test_known_hosts_pairs_each_address_with_its_key():
    lab = make_lab()
    state.save(lab)
    state.write_known_hosts(lab)
    lines = lab.known_hosts_path.read_text().splitlines()
    assert lines == ["172.30.0.11 ssh-ed25519 KEY1", "172.30.0.12 ssh-ed25519 KEY2"]


def test_a_host_is_found_by_name_and_others_are_listed():
    lab = make_lab()
    assert lab.host("h2").address == "172.30.0.12"
    with pytest.raises(UnknownLab, match="lab 'demo' has h1, h2"):
        lab.host("h3")


def test_the_lab_folder_is_for_its_owner_alone():
    state.save(make_lab())
    assert state.folder("demo").stat().st_mode & 0o077 == 0


def test_the_state_folder_defaults_to_the_users_own(monkeypatch):
    monkeypatch.delenv("KCLOUD_STATE")
    monkeypatch.delenv("KCLOUD_CACHE")
    monkeypatch.setenv("HOME", "/somewhere")
    assert state.folder("demo") == Path("/somewhere/.local/state/kcloud/lab/demo")
    assert state.cache() == Path("/somewhere/.cache/kcloud/lab")


def test_a_second_command_waits_for_the_first():
    order = []
    inside = threading.Event()

    def second():
        inside.wait()
        with state.exclusive():
            order.append("second")

    thread = threading.Thread(target=second)
    with state.exclusive():
        thread.start()
        inside.set()
        thread.join(timeout=0.2)
        assert thread.is_alive()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
