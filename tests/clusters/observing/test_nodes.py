"""What an API server says about nodes and pods, read; healthy or not; as planned or not. All pure."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.observing.comparison import Difference, PlannedNode, compare, is_kubernetes_own
from clusters.observing.health import judge, listed, unreachable
from clusters.observing.nodes import (
    NodeStatus,
    NodeTaint,
    as_json,
    from_json,
    moment,
    node_status,
    pod_summary,
    pods_by_node,
    quantity,
)
from tests.clusters.kube_objects import raw_node, raw_pod

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def strange(*keys):
    """Objects with the right names and the wrong contents."""
    return st.dictionaries(
        st.sampled_from(keys), JSON | st.dictionaries(st.sampled_from(keys), JSON), max_size=4
    )


# --- quantities ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2), ("1900m", 1.9), ("4Gi", 2**32), ("3500Mi", 3500 * 2**20), ("1k", 1000), ("1e3", 1000), ("1E", 10**18),
        ("0", 0), (5, 5), ("", 0), ("nonsense", 0), ("-3", 0), ("1Zi", 0), (None, 0), ("1e999999999", 0), ("NaN", 0),
        ("128974848", 128974848), ("100n", 1e-7), ("0.5", 0.5), ("1.5Gi", 1.5 * 2**30),
    ],
)  # fmt: skip
def test_a_quantity_becomes_a_number_and_nonsense_becomes_nothing(text, number):
    assert quantity(text) == pytest.approx(number)


@given(st.text(max_size=12))
def test_a_quantity_is_never_negative_and_never_fails(text):
    assert quantity(text) >= 0


# --- nodes ---------------------------------------------------------------------------------------


def test_a_node_is_read_with_what_the_pages_show():
    taints = [{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}]
    raw = raw_node("w1", roles=["gpu", "edge"], taints=taints, podCIDR="10.244.1.0/24")
    found = node_status(raw)
    assert (found.name, found.uid, found.version) == ("w1", "uid-w1", "v1.34.4")
    assert found.roles == ("edge", "gpu")
    assert found.internal_address == "192.0.2.5"
    assert found.allocatable["cpu"] == pytest.approx(1.9)
    assert found.taints == (NodeTaint("dedicated", "gpu", "NoSchedule"),)
    assert found.pod_cidr == "10.244.1.0/24"
    assert found.schedulable
    assert found.ready.status == "True"


def test_a_node_without_a_role_is_a_worker_and_a_cordoned_one_is_not_schedulable():
    found = node_status(raw_node("w1", unschedulable=True))
    assert found.roles == ("worker",)
    assert not found.schedulable


def test_a_node_that_never_reported_is_unknown_and_not_ready():
    assert node_status({"metadata": {"name": "w1"}}).ready.status == "Unknown"


def test_a_heartbeat_changes_nothing_that_is_read():
    early, late = raw_node("w1"), raw_node("w1")
    late["status"]["conditions"][1]["lastHeartbeatTime"] = "2026-01-01T00:00:20Z"
    late["metadata"]["resourceVersion"] = "8"
    assert node_status(early) == node_status(late)


@given(
    strange("metadata", "spec", "status", "conditions", "labels", "taints", "addresses", "capacity", "name")
)
def test_no_node_is_too_strange_to_be_read_and_kept(raw):
    found = node_status(raw)
    assert from_json(json.loads(json.dumps(as_json(found)))) == found


@given(strange("metadata", "spec", "status", "containers", "containerStatuses", "state", "waiting", "phase"))
def test_no_pod_is_too_strange_to_be_read(raw):
    assert isinstance(pod_summary(raw).word, str)


def test_an_older_rows_status_is_read_as_far_as_it_goes():
    assert from_json({"name": "w1"}) == NodeStatus("w1")
    assert from_json({"name": "w1", "conditions": "nonsense"}) == NodeStatus("w1")


@pytest.mark.parametrize("text", ["", "yesterday", "2026-01-01T00:00:00"])
def test_what_is_no_moment_is_none(text):
    assert moment(text) is None


def test_kubernetes_time_stamps_have_a_zone():
    assert moment("2026-01-01T00:00:00Z").utcoffset().total_seconds() == 0
    assert moment("2026-01-01T00:00:00.123456Z").microsecond == 123456


# --- pods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "word", "well"),
    [
        (raw_pod("a"), "Running", True),
        (raw_pod("a", ready=False), "Running", False),
        (raw_pod("a", phase="Succeeded"), "Succeeded", True),
        (raw_pod("a", phase="Pending"), "Pending", False),
        (raw_pod("a", phase="Failed", reason="Evicted"), "Evicted", False),
        (
            raw_pod("a", containerStatuses=[{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
            "CrashLoopBackOff",
            False,
        ),
        (
            raw_pod("a", containerStatuses=[{"state": {"terminated": {"reason": "OOMKilled"}}}]),
            "OOMKilled",
            False,
        ),
        (raw_pod("a") | {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}, "Terminating", False),
        ({}, "Unknown", False),
    ],
)
def test_a_pods_state_has_the_word_people_use(raw, word, well):
    found = pod_summary(raw)
    assert (found.word, found.is_well) == (word, well)


def test_pods_are_counted_by_node_without_those_that_ended():
    pods = [
        raw_pod("a"),
        raw_pod("b"),
        raw_pod("c", node="w2"),
        raw_pod("d", phase="Succeeded"),
        {"spec": None},
        {},
    ]
    assert pods_by_node(msgspec.json.encode({"items": pods})) == {"w1": 2, "w2": 1}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"items": 3}', b"\xff"])
def test_a_strange_list_of_pods_counts_nothing(data):
    assert pods_by_node(data) == {}


# --- health --------------------------------------------------------------------------------------


def nodes(*states):
    return [node_status(raw_node(f"w{number}", ready=state)) for number, state in enumerate(states, 1)]


@pytest.mark.parametrize(
    ("states", "state", "reason"),
    [
        (["True", "True"], "healthy", ""),
        (["True", "False"], "degraded", "1 of 2 nodes not ready: w2."),
        (["Unknown", "True", "False"], "degraded", "2 of 3 nodes not ready: w1, w3."),
        (["False", "Unknown"], "down", "None of 2 nodes is ready."),
        ([], "unknown", "The API server answers, but has no nodes."),
    ],
)
def test_health_follows_from_the_nodes(states, state, reason):
    verdict = judge(nodes(*states))
    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_cordoned_node_is_no_fault():
    assert judge([node_status(raw_node("w1", unschedulable=True))]).state == "healthy"


def test_a_node_under_pressure_degrades_and_is_named_with_the_pressure():
    raw = raw_node("w1")
    raw["status"]["conditions"][0]["status"] = "True"
    verdict = judge([node_status(raw)])
    assert (verdict.state, verdict.reason) == ("degraded", "Nodes under pressure: w1 (MemoryPressure).")


def test_many_names_are_cut_and_counted():
    assert listed([f"w{number}" for number in range(8)]) == "w0, w1, w2, w3, w4 and 3 more"


def test_a_silent_api_server_is_down_with_its_reason():
    assert unreachable("no answer").state == "down"


@given(st.lists(st.sampled_from(["True", "False", "Unknown"]), min_size=1))
def test_one_more_node_away_never_makes_a_cluster_healthier(states):
    order = ["healthy", "degraded", "down"]
    worse = judge(nodes(*["False" if state == "True" else state for state in states]))
    assert order.index(worse.state) >= order.index(judge(nodes(*states)).state)


# --- planned and real ----------------------------------------------------------------------------


def planned(name="w1", **values):
    defaults = {"address": "192.0.2.5", "version": "1.34.4"}
    return PlannedNode(name, **(defaults | values))


def kinds(found):
    return [(each.kind, each.node, each.what) for each in found]


def test_what_agrees_makes_no_difference():
    raw = raw_node(
        "w1", labels={"tier": "front"}, taints=[{"key": "a", "value": "b", "effect": "NoSchedule"}]
    )
    plan = planned(labels={"tier": "front"}, taints=(NodeTaint("a", "b", "NoSchedule"),))
    assert compare([plan], [node_status(raw)]) == []


@pytest.mark.parametrize(
    ("plan", "raw", "expected"),
    [
        (planned(version="1.34.5"), raw_node("w1"), Difference("version", "w1", "1.34.5", "1.34.4")),
        (planned(address="192.0.2.9"), raw_node("w1"), Difference("address", "w1", "192.0.2.9", "192.0.2.5")),
        (planned(labels={"a": "1"}), raw_node("w1"), Difference("label", "w1", "1", "", "a")),
        (
            planned(labels={"a": "1"}),
            raw_node("w1", labels={"a": "2"}),
            Difference("label", "w1", "1", "2", "a"),
        ),
        (planned(), raw_node("w1", labels={"a": "2"}), Difference("label-extra", "w1", "", "2", "a")),
        (
            planned(taints=(NodeTaint("a", "b", "NoExecute"),)),
            raw_node("w1"),
            Difference("taint", "w1", "b:NoExecute", "", "a"),
        ),
        (
            planned(),
            raw_node("w1", taints=[{"key": "a", "effect": "NoSchedule"}]),
            Difference("taint-extra", "w1", "", ":NoSchedule", "a"),
        ),
        (
            planned(taints=(NodeTaint("a", "b", "NoSchedule"),)),
            raw_node("w1", taints=[{"key": "a", "value": "c", "effect": "NoSchedule"}]),
            Difference("taint", "w1", "b:NoSchedule", "c:NoSchedule", "a"),
        ),
        (planned(planned=False), raw_node("w1"), Difference("removed", "w1", "", "v1.34.4")),
    ],
)
def test_each_difference_is_found_with_both_values(plan, raw, expected):
    assert compare([plan], [node_status(raw)]) == [expected]


def test_missing_not_yet_deployed_and_unplanned_nodes_are_told_apart():
    found = compare([planned("w1"), planned("w2", member=False)], [node_status(raw_node("w3"))])
    assert kinds(found) == [("missing", "w1", ""), ("not-member", "w2", ""), ("unplanned", "w3", "")]


def test_what_kubernetes_sets_itself_is_no_difference():
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}
    assert compare([planned()], [node_status(raw_node("w1", taints=[taint]))]) == []
    assert is_kubernetes_own("topology.kubernetes.io/zone")
    assert is_kubernetes_own("kcloud.local/pool")
    assert not is_kubernetes_own("example.com/kubernetes.io")
    assert not is_kubernetes_own("kubernetes.io")


NAMES = st.sampled_from(["w1", "w2", "w3"])


@given(st.sets(NAMES), st.sets(NAMES))
def test_there_is_no_difference_exactly_when_the_same_nodes_are_there(wanted, real):
    plans = [planned(name) for name in wanted]
    found = compare(plans, [node_status(raw_node(name)) for name in real])
    assert (found == []) == (wanted == real)
    assert {each.node for each in found} == wanted ^ real
