"""Which host serves which pool: by name, by count, and always the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.planning.placement import natural, place, resolve_pools
from clusters.planning.plan import PlanInvalid
from tests.clusters.planning.plans import spec


def test_counted_pools_take_spare_hosts_in_natural_order():
    wanted = spec({"name": "a", "count": 2}, {"name": "b", "count": 1})
    assert resolve_pools(wanted, ["h10", "h2", "h1", "m1"]) == {"a": ("h1", "h2"), "b": ("h10",)}


def test_named_hosts_come_first_and_are_taken_by_no_count():
    wanted = spec({"name": "a", "count": 1}, {"name": "b", "hosts": ["h1"], "count": 1})
    assert resolve_pools(wanted, ["h1", "h2", "h3"]) == {"a": ("h2",), "b": ("h1", "h3")}


def test_hosts_that_serve_a_pool_stay_in_it():
    wanted = spec({"name": "a", "count": 2})
    assert resolve_pools(wanted, ["h1"], {"h9": "a"}) == {"a": ("h9", "h1")}


def test_too_few_spare_hosts_are_refused_with_the_sum():
    with pytest.raises(PlanInvalid, match="ask for 3 spare hosts of region east, and there are 1: 2 too few"):
        resolve_pools(spec({"name": "a", "count": 3}), ["h1"])


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.sets(st.integers(0, 30), max_size=20),
    st.randoms(use_true_random=False),
)
def test_placement_is_the_same_for_any_order_and_gives_no_host_twice(counts, spare, random):
    wanted = spec(*({"name": f"p{n}", "count": count} for n, count in enumerate(counts)))
    names = [f"h{n}" for n in spare]
    shuffled = random.sample(names, len(names))
    found = place(wanted, names)
    assert found == place(wanted, shuffled)
    given_out = [host for hosts in found.pools.values() for host in hosts]
    assert len(given_out) == len(set(given_out)) == min(sum(counts), len(names))
    assert found.missing == sum(counts) - len(given_out)


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sets(st.integers(0, 30), min_size=12, max_size=20)
)
def test_placing_again_what_was_placed_moves_nobody(counts, spare):
    wanted = spec(*({"name": f"p{n}", "count": count} for n, count in enumerate(counts)))
    names = {f"h{n}" for n in spare}
    first = place(wanted, names)
    again = place(wanted, names - set(first.workers), first.workers)
    assert again.workers == first.workers


def test_natural_order_counts():
    assert sorted(["w10", "w2", "w1", "w2a", "x"], key=natural) == ["w1", "w2", "w2a", "w10", "x"]
