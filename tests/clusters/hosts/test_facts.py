"""A host's answer to the facts probe: read when it is one, refused by field when not, harmless in any case."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.hosts import facts

LEAST = {"hostname": "h1", "kernel": "6.1.0", "cpus": 2, "memory": 4 * 1024**3, "clock": 1_700_000_000.5}


def answer(**more):
    return "KCLOUD-FACTS 1 " + json.dumps({**LEAST, **more}) + "\n"


@pytest.fixture(scope="module")
def of_this_machine():
    done = subprocess.run(
        [sys.executable, "-"], input=facts.PROBE, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_probe_runs_on_a_real_machine_and_every_part_works(of_this_machine):
    found = facts.parse(of_this_machine)
    assert found.problems == {}
    assert found.hostname
    assert found.cpus >= 1
    assert found.memory > 100 * 1024**2
    assert found.cgroup_version in (1, 2)
    assert found.free_at("/var/lib/etcd") > 0


def test_the_probe_is_python_3_6():
    ast.parse(facts.PROBE, feature_version=(3, 6))


def test_the_probe_imports_nothing_beyond_the_standard_library():
    imports = [
        node for node in ast.walk(ast.parse(facts.PROBE)) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {alias.name for node in imports for alias in node.names}
    assert names <= set(sys.stdlib_module_names)


def test_stored_facts_are_read_back_as_they_were(of_this_machine):
    found = facts.parse(of_this_machine)
    assert facts.stored(json.loads(json.dumps(facts.as_json(found)))) == found


def test_nothing_gathered_yet_is_none():
    assert facts.stored({}) is None


def test_facts_of_another_shape_in_the_database_are_none():
    assert facts.stored({"hostname": ["h1"]}) is None


def test_noise_before_and_after_the_line_is_no_matter():
    assert facts.parse("Welcome!\n" + answer() + "Bye\n").hostname == "h1"


def test_the_last_line_counts_so_an_earlier_forgery_is_not_read():
    assert facts.parse(answer(hostname="banner") + answer(hostname="real")).hostname == "real"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"cpus": "many"}, "cpus"),
        ({"cpus": 0}, "cpus"),
        ({"memory": -1}, "memory"),
        ({"memory": 2**60}, "memory"),
        ({"clock": "now"}, "clock"),
        ({"disks": [{"name": "sda", "size": "big"}]}, "disks[0].size"),
        ({"nics": {"eth0": {}}}, "nics"),
        ({"listening": [{"protocol": "tcp", "port": 70000, "address": "::"}]}, "listening[0].port"),
        ({"cgroup_version": 3}, "cgroup_version"),
        ({"uptime": -5}, "uptime"),
        ({"load": [1e300]}, "load[0]"),
        ({"tools": ["x"] * 513}, "tools"),
        ({"sysctls": {"a": {"b": {"c": {"d": {"e": {"f": {}}}}}}}}, "sysctls.a.b.c.d.e.f"),
    ],
)
def test_a_wrong_value_is_refused_by_its_field(change, field):
    with pytest.raises(facts.FactsInvalid) as refused:
        facts.parse(answer(**change))
    assert refused.value.field == field


@pytest.mark.parametrize("missing", sorted(LEAST))
def test_an_answer_without_the_least_is_refused(missing):
    data = {key: value for key, value in LEAST.items() if key != missing}
    with pytest.raises(facts.FactsInvalid, match=missing):
        facts.parse("KCLOUD-FACTS 1 " + json.dumps(data))


@pytest.mark.parametrize(
    "text",
    ["", "{}", "KCLOUD-FACTS 1 ", "KCLOUD-FACTS 1 [", "KCLOUD-FACTS 1 []", "KCLOUD-FACTS 1 null",
     "KCLOUD-FACTS 2 {}", "KCLOUD-FACTS 1 " + "[" * 100_000, "x" * (facts.MAX_ANSWER + 1)],
)  # fmt: skip
def test_what_is_no_answer_is_refused(text):
    with pytest.raises(facts.FactsInvalid):
        facts.parse(text)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_no_database_takes_are_refused(number):
    with pytest.raises(facts.FactsInvalid):
        facts.parse(answer(clock=7).replace(": 7", f": {number}"))


def test_control_and_direction_characters_are_replaced():
    found = facts.parse(answer(hostname="h\x00\x1b[31m1", os_name="Debian\u202egnp", cpu_model="A\ud800B"))
    assert found.hostname == "h��[31m1"
    assert found.os_name == "Debian�gnp"
    assert found.cpu_model == "A�B"


def test_long_text_is_cut():
    assert len(facts.parse(answer(os_name="x" * 10_000)).os_name) == 300


def test_fields_of_a_newer_probe_are_left_out():
    assert facts.parse(answer(colour="green")).hostname == "h1"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(facts.HostFacts.__struct_fields__), json_values))
def test_any_json_gives_facts_or_the_one_error(data):
    try:
        found = facts.parse("KCLOUD-FACTS 1 " + json.dumps({**LEAST, **data}))
    except facts.FactsInvalid:
        return
    stored = json.dumps(facts.as_json(found))
    assert "\\u0000" not in stored
    assert facts.stored(json.loads(stored)) == found


@given(st.text())
def test_any_text_gives_the_one_error(text):
    with pytest.raises(facts.FactsInvalid):
        facts.parse(text)


@pytest.mark.parametrize(
    ("clock", "offset"), [(100.0, 0), (104.0, 0), (105.0, 0), (107.5, 2.5), (99.0, -1.0), (0.0, -100.0)]
)
def test_the_clock_is_off_only_as_far_as_the_answers_way_cannot_explain(clock, offset):
    found = facts.parse(answer(clock=clock), asked_at=100.0, answered_at=105.0)
    assert found.clock_offset == offset


class TestQuestions:
    found = facts.parse(
        answer(
            mounts=[
                {"path": "/", "size": 100, "free": 10},
                {"path": "/var", "size": 200, "free": 20},
                {"path": "/var/lib/etcd", "size": 300, "free": 30},
            ],
            disks=[{"name": "sda", "size": 5}, {"name": "sdb", "size": 7}],
            listening=[
                {"protocol": "tcp", "port": 6443, "address": "::", "program": "kube-apiserver"},
                {"protocol": "udp", "port": 6443, "address": "::"},
            ],
            nics=[{"name": "eth0", "addresses": ["10.0.0.5/24"]}],
            routes=[
                {"interface": "eth0", "network": "10.9.0.0/16"},
                {"interface": "x", "network": "10.0.0.5/24"},
            ],
            virtualization="kvm",
        )
    )

    @pytest.mark.parametrize(
        ("path", "free"),
        [
            ("/", 10),
            ("/variety", 10),
            ("/var", 20),
            ("/var/lib", 20),
            ("/var/lib/etcd", 30),
            ("/var/lib/etcd/x", 30),
        ],
    )
    def test_free_room_is_of_the_file_system_that_holds_the_path(self, path, free):
        assert self.found.free_at(path) == free

    def test_free_room_is_unknown_without_mounts(self):
        assert facts.parse(answer()).free_at("/var") is None

    def test_listeners_are_of_the_protocol(self):
        assert [found.program for found in self.found.listeners_on(6443)] == ["kube-apiserver"]
        assert self.found.listeners_on(80) == ()

    def test_networks_name_each_once(self):
        assert self.found.networks() == ("10.0.0.5/24", "10.9.0.0/16")

    def test_disks_add_up(self):
        assert self.found.disk_size == 12

    @pytest.mark.parametrize(("word", "virtual"), [("kvm", True), ("none", False), ("", False)])
    def test_virtual_or_not(self, word, virtual):
        assert facts.parse(answer(virtualization=word)).is_virtual is virtual


def test_the_probe_leaves_no_trace(of_this_machine, tmp_path):
    done = subprocess.run(
        [sys.executable, "-"], input=facts.PROBE, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stderr == ""
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.parametrize(
    ("name", "options", "state"),
    [
        ("nft_queue", {"CONFIG_NFT_QUEUE": "y"}, "loaded"),
        ("nft_queue", {"CONFIG_NFT_QUEUE": "m"}, "unknown"),
        ("xt_NFQUEUE", {"CONFIG_NFT_QUEUE": "y"}, "missing"),
        ("nft_queue", {}, "unknown"),
        ("overlay", {"CONFIG_NFT_QUEUE": "y"}, "unknown"),
    ],
)
def test_how_the_kernel_was_built_tells_of_what_shows_nowhere_else(name, options, state):
    probe = {"__name__": "probe"}
    exec(compile(facts.PROBE, "facts_probe.py", "exec"), probe)
    assert probe["module_state"](name, options, "unknown") == state


def test_the_probe_tells_how_this_kernel_queues_packets(of_this_machine):
    modules = facts.parse(of_this_machine).modules
    assert {"nfnetlink_queue", "nft_queue", "xt_NFQUEUE"} <= set(modules)
