"""The matrix of policies itself: nothing in it may pass without telling something. Needs no lab."""

import pytest

from tests.lab.policy_matrix import BLUE, CASES, DNS, RED, Probe, expected, node_of, objects, places, probes

NODES = ["d2", "d3"]


def test_every_pair_is_tried_on_one_node_and_across_over_both_protocols():
    tried = set(probes(NODES))
    for source in places(NODES):
        for target in places(NODES):
            for protocol in ("TCP", "UDP"):
                assert (Probe(source, target, protocol) in tried) == (source != target)
        assert Probe(source, DNS, "UDP") in tried
        assert Probe(source, "node/d2", "TCP") in tried


@pytest.mark.parametrize("case", CASES[1:], ids=lambda case: case.name)
def test_a_case_with_policies_both_lets_through_and_closes_on_one_node_and_across(case):
    rules = expected(case, NODES)
    pods = {probe: passes for probe, passes in rules.items() if probe.target in places(NODES)}
    for across in (False, True):
        some = {
            passes
            for probe, passes in pods.items()
            if (node_of(probe.source) != node_of(probe.target)) == across
        }
        assert some == {True, False}


def test_what_has_no_policy_stays_open_in_every_case():
    for case in CASES:
        blue = [
            passes
            for probe, passes in expected(case, NODES).items()
            if (probe.space, probe.other) == (BLUE, BLUE)
        ]
        assert blue
        assert all(blue)


def test_every_policy_is_for_the_red_namespace_and_every_case_tells_something_new():
    for case in CASES:
        assert {policy["metadata"]["namespace"] for policy in case.policies} <= {RED}
    told = [tuple(sorted(expected(case, NODES).items())) for case in CASES]
    assert len(set(told)) == len(CASES)


def test_every_place_has_its_pod_on_its_node():
    pods = {
        f"{obj['metadata']['namespace']}/{obj['metadata']['name'].replace('-', '/')}": obj["spec"]["nodeName"]
        for obj in objects(NODES)
        if obj["kind"] == "Pod"
    }
    assert pods == {place: node_of(place) for place in places(NODES)}
