"""How many masters, and what is left when a host or a region is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.planning.plan import parse
from clusters.planning.quorum import loss_of, quorum, region_losses, tolerated, worst_host_loss
from tests.clusters.planning.plans import data, refused


@pytest.mark.parametrize(
    ("members", "majority", "may_be_lost"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)],
)
def test_quorum_table(members, majority, may_be_lost):
    assert (quorum(members), tolerated(members)) == (majority, may_be_lost)


@given(st.integers(1, 1000))
def test_an_even_number_never_tolerates_more_than_one_fewer(n):
    assert tolerated(2 * n) == tolerated(2 * n - 1)


@pytest.mark.parametrize("count", [1, 3])
def test_one_or_three_masters_are_taken(count):
    masters = [f"m{n}" for n in range(count)]
    assert parse(data(masters=masters)).masters == tuple(masters)


@pytest.mark.parametrize(
    ("count", "code", "words"),
    [
        (0, "required", "no master"),
        (2, "even", "2 masters need 2 for a majority, so losing either stops the cluster: no better than 1."),
        (4, "even", "4 masters need 3 for a majority, so 1 may be lost: no better than 3."),
        (5, "unsupported", "5 masters are not supported"),
        (6, "even", "6 masters need 4 for a majority, so 2 may be lost: no better than 5."),
    ],
)
def test_other_numbers_of_masters_are_refused_with_the_arithmetic(count, code, words):
    problem = refused(data(masters=[f"m{n}" for n in range(count)]))[0]
    assert (problem.path, problem.code) == ("masters", code)
    assert words in problem.message


def test_losing_the_only_master_stops_the_control_but_not_the_workers():
    loss = worst_host_loss(["m1"], ["w1", "w2"])
    assert (loss.what, loss.control_plane, loss.applications) == ("m1", False, True)


def test_three_masters_survive_any_one_host():
    assert worst_host_loss(["m1", "m2", "m3"], ["w1", "w2"]).control_plane


def test_losing_a_region_counts_what_stands_in_it():
    regions = {"m1": "east", "m2": "east", "m3": "west", "w1": "west"}
    east, west = region_losses(regions, ["m1", "m2", "m3"], ["w1"])
    assert (east.what, east.masters_lost, east.control_plane, east.applications) == ("east", 2, False, True)
    assert (west.what, west.control_plane, west.applications) == ("west", True, False)


@given(st.sets(st.integers(0, 9)), st.integers(1, 7), st.integers(0, 5))
def test_a_loss_takes_exactly_what_is_gone(gone, masters, workers):
    names = [f"m{n}" for n in range(masters)], [f"w{n}" for n in range(workers)]
    loss = loss_of("x", {f"m{n}" for n in gone}, *names)
    assert loss.masters_lost + loss.masters_left == masters
    assert loss.workers_left == workers
    assert loss.control_plane == (loss.masters_lost <= tolerated(masters))
