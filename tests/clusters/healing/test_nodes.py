"""When a node counts as lost: never on one witness, never beyond the brake, never when it may be the portal."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.healing.nodes import (
    MISSES,
    PEER_FRESH,
    Observation,
    Peer,
    View,
    decide,
    is_suspect,
    most_at_once,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds):
    return NOW - timedelta(seconds=seconds)


def well(name="w1", **changed):
    return Observation(name, lease_at=ago(2), ready="True", **changed)


def gone(name="w1", **changed):
    """The probe fails; its lease is not overdue yet."""
    return replace(well(name), misses=MISSES, failing_since=ago(2), lease_at=ago(5), **changed)


def confirmed(name="w1", **changed):
    return gone(name, peer=Peer("w2", False, ago(1)), **changed)


def only(view, now=NOW):
    (verdict,) = decide(now, view)
    return verdict


OTHERS = (well("w2"), well("w3"))


def test_what_is_well_needs_no_verdict():
    assert decide(NOW, View([well(), *OTHERS])) == []


def test_one_missed_probe_is_nothing_yet():
    assert decide(NOW, View([replace(confirmed(), misses=1), *OTHERS])) == []


def test_the_probe_alone_is_not_enough():
    verdict = only(View([gone(), *OTHERS]))
    assert (verdict.action, verdict.why) == ("wait", "one-witness")
    assert [each.who for each in verdict.witnesses] == ["probe"]


def test_a_peer_that_does_not_reach_it_either_is_a_second_witness():
    verdict = only(View([confirmed(), *OTHERS]))
    assert (verdict.action, verdict.why) == ("lost", "witnesses")
    assert [each.who for each in verdict.witnesses] == ["probe", "peer"]


def test_a_peer_that_reaches_it_is_none():
    assert only(View([gone(peer=Peer("w2", True, ago(1))), *OTHERS])).action == "wait"


@pytest.mark.parametrize("at", [ago(3), ago(PEER_FRESH.total_seconds() + 1)])
def test_what_a_peer_said_before_or_long_ago_does_not_count(at):
    node = replace(gone(peer=Peer("w2", False, at)), failing_since=ago(2))
    assert only(View([node, *OTHERS])).action == "wait"


@pytest.mark.parametrize(("length", "age", "action"), [(40, 20, "wait"), (40, 22, "lost"), (8, 6, "lost")])
def test_a_lease_is_overdue_by_its_own_length(length, age, action):
    node = replace(gone(), lease_at=ago(age), lease_seconds=length, failing_since=ago(2))
    assert only(View([node, *OTHERS])).action == action


def test_the_api_servers_own_condition_is_a_second_witness():
    assert only(View([replace(gone(), ready="Unknown"), *OTHERS])).action == "lost"


def test_a_lease_renewed_after_the_probe_failed_says_that_it_lives():
    node = replace(confirmed(), lease_at=ago(0.5), failing_since=ago(2))
    verdict = only(View([node, *OTHERS]))
    assert (verdict.action, verdict.why) == ("wait", "renewed")


def test_without_the_api_server_nothing_is_done():
    verdict = only(View([confirmed(), *OTHERS], api_answers=False))
    assert (verdict.action, verdict.why) == ("hold", "api")


def test_nothing_is_done_when_the_portals_own_network_is_suspect():
    verdict = only(View([confirmed(), *OTHERS], portal_suspect="portal"))
    assert (verdict.action, verdict.why) == ("hold", "portal")


def test_two_of_three_at_once_is_a_storm_and_none_is_touched():
    verdicts = decide(NOW, View([confirmed("w1"), confirmed("w2"), well("w3")]))
    assert [(each.action, each.why) for each in verdicts] == [("hold", "storm")] * 2


def test_one_lost_earlier_counts_for_the_brake():
    nodes = [replace(confirmed("w1"), known_lost=True), confirmed("w2"), well("w3")]
    assert [(each.node, each.action) for each in decide(NOW, View(nodes))] == [("w2", "hold")]


def test_one_that_was_lost_is_back_when_it_answers_and_is_ready():
    assert only(View([well(known_lost=True)])).action == "back"
    assert decide(NOW, View([replace(well(known_lost=True), ready="Unknown")])) == []
    assert decide(NOW, View([replace(well(known_lost=True), lease_at=ago(60))])) == []


def test_one_acted_on_is_not_acted_on_again():
    assert decide(NOW, View([confirmed(known_lost=True)])) == []


@pytest.mark.parametrize(("nodes", "most"), [(1, 1), (3, 1), (9, 1), (10, 2), (100, 20)])
def test_how_many_at_once(nodes, most):
    assert most_at_once(nodes) == most


@pytest.mark.parametrize(
    ("clusters", "suspect"),
    [
        ([], False),
        ([(3, 3)], False),
        ([(3, 3), (3, 0)], False),
        ([(3, 3), (3, 2)], True),
        ([(3, 2), (3, 2), (3, 0)], True),
        ([(3, 1), (3, 1), (3, 1)], False),
    ],
)
def test_most_nodes_of_most_clusters_point_to_the_portal(clusters, suspect):
    assert is_suspect(clusters) is suspect


def moments():
    return st.none() | st.floats(0, 120).map(ago)


@st.composite
def observations(draw, name):
    failing = draw(moments())
    return Observation(
        name,
        misses=draw(st.integers(0, 5)) if failing else 0,
        failing_since=failing,
        peer=draw(st.none() | st.builds(Peer, st.just("p"), st.booleans(), st.floats(0, 120).map(ago))),
        lease_at=draw(moments()),
        lease_seconds=draw(st.sampled_from([8, 40])),
        ready=draw(st.sampled_from(["True", "False", "Unknown"])),
        known_lost=draw(st.booleans()),
    )


@st.composite
def views(draw):
    count = draw(st.integers(0, 12))
    nodes = [draw(observations(f"w{number:02}")) for number in range(count)]
    return View(nodes, draw(st.booleans()), draw(st.sampled_from(["", "portal", "gateway"])))


@given(views())
def test_never_on_one_witness_never_beyond_the_brake(view):
    lost = [each for each in decide(NOW, view) if each.action == "lost"]
    known = {each.node: each for each in view.nodes}
    for verdict in lost:
        assert len({each.who for each in verdict.witnesses}) >= 2
        assert verdict.witnesses[0].who == "probe"
        node = known[verdict.node]
        assert node.misses >= MISSES
        assert node.lease_at is None or node.lease_at <= node.failing_since
    before = sum(each.known_lost for each in view.nodes)
    assert not lost or before + len(lost) <= most_at_once(len(view.nodes))
    assert not lost or (view.api_answers and not view.portal_suspect)
