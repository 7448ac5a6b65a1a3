"""The rule by which ours, the plan's and others' taints become one list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.deploying.node_taints import merged, record, recorded
from clusters.planning.plan import Taint

EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
KEYS = ["gpu", "team/db", "node.kubernetes.io/unreachable"]
places = st.tuples(st.sampled_from(KEYS), st.sampled_from(EFFECTS))
plans = st.dictionaries(places, st.sampled_from(["", "1", "2"])).map(
    lambda found: [Taint(key, value, effect) for (key, effect), value in found.items()]
)
nodes = st.dictionaries(places, st.sampled_from(["", "1", "2"])).map(
    lambda found: [
        {"key": key, "effect": effect, **({"value": value} if value else {})}
        for (key, effect), value in found.items()
    ]
)


def row(key, effect="NoSchedule", **more):
    return {"key": key, "effect": effect, **more}


def known(rows):
    return {(each["key"], each["effect"]): each.get("value", "") for each in rows}


def test_others_stay_with_all_they_say():
    theirs = row("node.kubernetes.io/unreachable", "NoExecute", timeAdded="2026-01-01T00:00:00Z")
    assert merged([theirs], [Taint("gpu")], set()) == [theirs, row("gpu")]


def test_ours_that_are_not_planned_any_more_go():
    assert merged([row("gpu"), row("theirs")], [], {("gpu", "NoSchedule")}) == [row("theirs")]


def test_the_same_key_with_another_effect_is_another_taint():
    assert merged([row("gpu", "NoExecute")], [], {("gpu", "NoSchedule")}) == [row("gpu", "NoExecute")]


@pytest.mark.parametrize(("before", "after"), [("1", "2"), ("1", ""), ("", "1")])
def test_a_value_is_changed_in_its_place(before, after):
    said = row("gpu", **({"value": before} if before else {}))
    wanted = row("gpu", **({"value": after} if after else {}))
    assert merged([said, row("last")], [Taint("gpu", after)], set()) == [wanted, row("last")]


@given(nodes, plans, st.sets(places))
def test_the_plan_is_there_others_stay_and_doing_it_again_changes_nothing(actual, wanted, owned):
    result = merged(actual, wanted, owned)
    plan = {(taint.key, taint.effect): taint.value for taint in wanted}
    foreign = {place: value for place, value in known(actual).items() if place not in owned | set(plan)}
    assert known(result) == {**foreign, **plan}
    assert len(known(result)) == len(result)
    assert merged(result, wanted, owned) == result


@given(plans)
def test_what_was_recorded_is_read_again(wanted):
    assert recorded(record(wanted)) == {(taint.key, taint.effect) for taint in wanted}


@given(st.text())
def test_any_text_on_a_node_is_read_without_harm(text):
    assert all(effect in EFFECTS for _key, effect in recorded(text))


@pytest.mark.parametrize(
    "text", ["", "gpu", "gpu:Sometimes", ":NoSchedule", "a b:NoExecute", "gpu:NoSchedule:x"]
)
def test_what_is_no_taint_is_left_out(text):
    assert recorded(text) == set()
