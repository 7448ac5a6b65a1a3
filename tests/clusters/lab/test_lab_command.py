"""``manage.py lab``: what people type and read."""

import json
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clusters.lab import faults, hosts
from clusters.management.commands.lab import Command


def lab(*words):
    out = StringIO()
    call_command("lab", *words, stdout=out, no_color=True)
    return out.getvalue()


def test_up_lists_the_hosts_and_the_key(engine):
    printed = lab("up", "--hosts", "2")
    assert "Lab 'demo' is up: 2 hosts on 172.30.0.0/24." in printed
    assert "kcloud@172.30.0.12" in printed
    assert str(hosts.get("demo").key_path) in printed


def test_a_second_up_says_there_is_nothing_to_do(engine):
    lab("up", "--hosts", "2")
    assert "Lab 'demo': nothing to do, 2 hosts are up." in lab("up", "--hosts", "2")


def test_up_passes_every_option_on(engine):
    lab(
        "up", "--name", "big", "--hosts", "1", "--subnet", "10.5.0.0/24", "--prefix", "node",
        "--memory", "2g", "--cpus", "1.5",
    )  # fmt: skip
    made = hosts.get("big")
    assert (made.subnet, made.prefix, made.memory, made.cpus) == ("10.5.0.0/24", "node", "2g", 1.5)
    assert made.hosts[0].name == "node1"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["up", "--name", "No Good"], "--name: 'No Good' is not a lab name"),
        (["up", "--hosts", "0"], "--hosts: a lab of 0 hosts is none"),
        (["up", "--subnet", "1.2.3.0/24"], "--subnet: 1.2.3.0/24 is not a private network"),
        (["up", "--memory", "much"], "--memory: 'much' is not a size"),
        (["up", "--hosts", "many"], "invalid int value: 'many'"),
        (["status", "--name", "never"], "No lab 'never'"),
        (["ssh", "h1", "--name", "never"], "No lab 'never'"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(engine, words, says):
    with pytest.raises(CommandError, match=says):
        lab(*words)


def test_status_shows_each_host_on_a_line(engine, monkeypatch):
    monkeypatch.setattr(faults, "Engine", lambda address: engine)
    lab("up", "--hosts", "2")
    faults.kill(hosts.get().host("h2"))
    lines = lab("status").splitlines()
    assert lines[0].split() == ["HOST", "ADDRESS", "STATE", "UP", "FOR"]
    assert lines[1].split()[:3] == ["h1", "172.30.0.11", "running"]
    assert lines[2].split() == ["h2", "172.30.0.12", "exited", "-"]


def test_status_for_programs_is_json(engine):
    lab("up", "--hosts", "1")
    assert json.loads(lab("status", "--json")) == {
        "lab": "demo",
        "hosts": [
            {
                "name": "h1",
                "address": "172.30.0.11",
                "state": "running",
                "started_at": "2026-01-02T03:04:05+00:00",
            }
        ],
    }


def test_down_says_what_it_removed(engine):
    lab("up", "--hosts", "2")
    assert "Lab 'demo' is removed." in lab("down")
    assert engine.machine.containers == {}


def test_down_of_nothing_names_the_labs_there_are(engine):
    lab("up", "--name", "other", "--hosts", "1")
    assert "there is no lab 'demo' (labs here: other)" in lab("down")


@pytest.mark.parametrize(
    ("words", "tail"),
    [
        (["h1"], ["kcloud@172.30.0.11"]),
        (["h1", "--", "sudo", "id", "-u"], ["kcloud@172.30.0.11", "--", "sudo", "id", "-u"]),
        (["h2", "--name", "demo", "--", "ls", "--", "x"], ["kcloud@172.30.0.12", "--", "ls", "--", "x"]),
        (["--name", "demo", "h2"], ["kcloud@172.30.0.12"]),
    ],
)
def test_ssh_becomes_ssh(engine, monkeypatch, words, tail):
    lab("up", "--hosts", "2")
    became = []
    monkeypatch.setattr(os, "execvp", lambda program, line: became.append((program, line)))
    Command().run_from_argv(["manage.py", "lab", "ssh", *words])
    program, line = became[0]
    assert program == "ssh"
    assert line[-len(tail) :] == tail


def test_ssh_to_an_unknown_host_lists_the_hosts(engine):
    lab("up", "--hosts", "2")
    with pytest.raises(CommandError, match="lab 'demo' has h1, h2"):
        lab("ssh", "h9")
