"""On which nodes policies hold: whose agent has spoken lately."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.observing.health import judge
from clusters.observing.nodes import node_status
from clusters.observing.policies import FRESH_SECONDS, guard
from tests.clusters.fake_kubernetes import agent_lease
from tests.clusters.kube_objects import raw_node

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def now():
    return datetime.now(UTC)


def test_a_node_whose_agent_spoke_lately_is_guarded_in_its_way():
    found = guard(["w1", "w2"], [agent_lease("w1"), agent_lease("w2", way="nftables", age=20)], now())
    assert found.guarded == {"w1": "iptables", "w2": "nftables"}
    assert (found.unguarded, found.total, found.ways) == ((), 2, ["iptables", "nftables"])


@pytest.mark.parametrize("leases", [[], [agent_lease("w1", age=FRESH_SECONDS + 5)], [agent_lease("w3")]])
def test_a_node_whose_agent_is_silent_or_was_never_there_is_unguarded(leases):
    assert guard(["w1"], leases, now()).unguarded == ("w1",)


def test_a_clock_that_is_far_ahead_keeps_no_node_guarded():
    assert guard(["w1"], [agent_lease("w1", age=-600)], now()).unguarded == ("w1",)


@given(st.lists(st.fixed_dictionaries({}, optional={"metadata": JSON, "spec": JSON})))
def test_no_lease_is_too_strange_to_be_read(leases):
    assert guard(["w1"], leases, now()).unguarded == ("w1",)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.floats(min_value=0, max_value=3 * FRESH_SECONDS)),
    st.sets(st.sampled_from("abcdef")),
)
def test_every_node_is_either_guarded_or_not(ages, nodes):
    at = now()
    found = guard(nodes, [agent_lease(name, age=age) for name, age in ages.items()], at)
    assert set(found.guarded) | set(found.unguarded) == nodes
    assert not set(found.guarded) & set(found.unguarded)
    later = guard(nodes, [agent_lease(name, age=age) for name, age in ages.items()], at + timedelta(hours=1))
    assert later.unguarded == tuple(sorted(nodes))


def nodes(*states):
    return [node_status(raw_node(f"w{number}", ready=state)) for number, state in enumerate(states, 1)]


def test_a_ready_node_without_its_agent_degrades_the_cluster_and_is_named():
    verdict = judge(nodes("True", "True"), ["w2"])
    assert (verdict.state, verdict.reason) == ("degraded", "Network policies are not kept on w2.")


def test_a_node_that_is_away_is_named_as_such_before_its_silent_agent():
    assert judge(nodes("True", "False"), ["w2"]).reason == "1 of 2 nodes not ready: w2."


def test_an_agent_of_a_node_that_is_gone_is_no_matter():
    assert judge(nodes("True"), ["w9"]).state == "healthy"
