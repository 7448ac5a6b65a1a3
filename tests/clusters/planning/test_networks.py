"""Networks of a plan: private, apart, large enough, and a free one named when they are not."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.planning.networks import (
    free_network,
    overlapping,
    prefix_for_nodes,
    private_range,
    rooms_for_nodes,
)
from clusters.planning.plan import parse
from tests.clusters.planning.plans import codes, data, refused


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("", "network"),
        ("10.244.0.0", "network"),
        ("10.244.0.0/33", "network"),
        ("10.244.0.1/16", "network"),
        ("fd00::/48", "network"),
        ("10.244.0.0/16 ", "network"),
        ("8.8.0.0/16", "public"),
        ("10.0.0.0/7", "public"),
        ("0.0.0.0/0", "public"),
        ("172.16.0.0/11", "network"),
        ("10.244.0.0/24", "size"),
        ("10.96.128.0/17", "overlap"),
        ("１０.0.0.0/16", "network"),
    ],
)
def test_pod_networks_are_refused_for_a_reason(cidr, code):
    assert codes(data(network={"pod_cidr": cidr})) == {("network.pod_cidr", code)}


def test_an_overlap_names_a_free_network():
    problem = refused(data(network={"pod_cidr": "10.96.0.0/14"}))[0]
    assert problem.message == "10.96.0.0/14 contains the service network 10.96.0.0/16."
    assert problem.remedy == "Free here: 10.100.0.0/14."


def test_an_address_with_host_bits_is_answered_with_what_was_meant():
    assert refused(data(network={"pod_cidr": "10.244.1.7/16"}))[0].remedy == "Did you mean 10.244.0.0/16?"


@pytest.mark.parametrize(
    ("cidr", "fits"), [("10.96.0.0/12", True), ("10.96.0.0/24", True), ("10.96.0.0/25", False)]
)
def test_a_service_network_lies_between_12_and_24(cidr, fits):
    wanted = data(network={"service_cidr": cidr, "pod_cidr": "192.168.0.0/16"})
    if fits:
        assert parse(wanted).network.service_cidr == cidr
    else:
        assert codes(wanted) == {("network.service_cidr", "size")}


def test_a_pod_network_must_hold_a_24_for_every_node():
    workers = [f"w{n}" for n in range(4)]
    problem = refused(data(pools=[{"name": "a", "hosts": workers}], network={"pod_cidr": "10.244.0.0/22"}))[0]
    assert problem.message == "10.244.0.0/22 has room for 4 nodes with a /24 each; the plan has 5."
    assert problem.remedy == "Use a /21 or larger."


@given(st.integers(1, 1000))
def test_the_prefix_for_nodes_is_the_smallest_network_that_holds_them(nodes):
    prefix = prefix_for_nodes(nodes)
    assert rooms_for_nodes(IPv4Network((0, prefix))) >= nodes
    assert nodes == 1 or rooms_for_nodes(IPv4Network((0, prefix + 1))) < nodes


def networks(lowest=8):
    ranges = st.sampled_from(
        [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]
    )

    def inside(range_, prefix, place):
        prefix = max(prefix, range_.prefixlen)
        step = 1 << (32 - prefix)
        return IPv4Network(
            (int(range_.network_address) + place % (range_.num_addresses // step) * step, prefix)
        )

    return st.builds(inside, ranges, st.integers(lowest, 26), st.integers(0, 2**20))


@given(networks(), st.lists(networks(), max_size=12))
def test_a_suggested_network_is_really_free_private_and_of_the_wanted_size(wanted, taken):
    free = free_network(wanted, taken)
    if free is not None:
        assert overlapping(free, taken) is None
        assert free.prefixlen == wanted.prefixlen
        assert private_range(free) is not None


@given(networks(), st.lists(networks(), max_size=12))
def test_what_is_free_already_is_suggested_itself(wanted, taken):
    if overlapping(wanted, taken) is None:
        assert free_network(wanted, taken) == wanted


@given(networks(lowest=14), st.lists(networks(lowest=18), max_size=6))
def test_a_small_need_in_a_large_range_is_always_met(wanted, taken):
    assert free_network(wanted, taken) is not None


def test_when_everything_is_taken_no_network_is_suggested():
    everything = [
        IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
    ]
    assert free_network(IPv4Network("10.244.0.0/16"), everything) is None
