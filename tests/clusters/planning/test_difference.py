"""What changes between two plans, forwards, backwards and in words."""

from hypothesis import given

from clusters.planning.difference import Change, apply, difference
from clusters.planning.plan import to_data
from tests.clusters.planning.plans import plans, spec


def unordered(one):
    return {**to_data(one), "pools": sorted(to_data(one)["pools"], key=lambda pool: pool["name"])}


@given(plans(), plans())
def test_applying_the_difference_gives_the_new_plan(old, new):
    assert unordered(apply(old, difference(old, new))) == unordered(new)


@given(plans())
def test_a_plan_differs_from_itself_in_nothing(one):
    assert difference(one, one) == []


@given(plans(), plans())
def test_the_difference_backwards_is_the_same_with_sides_exchanged(old, new):
    forwards = [(change.path, change.before, change.after) for change in difference(old, new)]
    backwards = [(change.path, change.after, change.before) for change in difference(new, old)]
    assert forwards == backwards


def test_a_difference_names_pools_and_is_in_the_order_of_the_plan():
    old = spec({"name": "a", "hosts": ["w1"]})
    new = spec({"name": "b", "hosts": ["w2"]}, {"name": "a", "hosts": ["w1"], "count": 2}, masters=["m2"])
    changes = [(change.path, change.sign) for change in difference(old, new)]
    assert changes[:2] == [("masters", "change"), ("pools.a.count", "change")]
    assert ("pools.b.hosts", "add") in changes


def test_values_of_a_difference_read_as_text():
    change = Change("pools.a.labels", {"disk": "ssd"}, {})
    assert (change.before_text, change.after_text) == ("disk=ssd", "–")
    assert Change("x", ["a", "b"], [{"key": "k", "value": ""}]).after_text == "key=k, value="
