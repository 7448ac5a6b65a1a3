"""The plan of stages: monotone, at least one pod, never more than asked, all at last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.manifests.trial import partition
from apps.rollouts import stages
from apps.rollouts.stages import Stage, StagesRefused, plan, pods_of

SHARES = st.lists(st.integers(1, 99), unique=True, min_size=1, max_size=5).map(sorted)
REPLICAS = st.integers(1, 1000)


@given(REPLICAS, SHARES, st.booleans())
def test_stages_grow_to_all_pods_and_never_hold_more_than_asked(replicas, shares, with_last):
    wanted = [(share, 60) for share in shares] + ([(100, 60)] if with_last else [])
    made = plan(replicas, wanted)
    assert [each.share for each in made] == [*shares, 100]
    pods = [each.pods for each in made]
    assert pods == sorted(pods)
    assert all(1 <= each <= replicas for each in pods)
    assert all(each.pods == 1 or each.pods * 100 <= replicas * each.share for each in made)
    assert pods[-1] == replicas
    assert [each.is_last for each in made] == [False] * len(shares) + [True]


@given(REPLICAS, st.integers(1, 100))
def test_a_share_takes_no_pod_less_than_it_could(replicas, share):
    assert (pods_of(replicas, share) + 1) * 100 > replicas * share


@given(REPLICAS, SHARES)
def test_a_partition_leaves_the_highest_ordinals_to_what_is_new(replicas, shares):
    for each in plan(replicas, [(share, 10) for share in shares]):
        new = [ordinal for ordinal in range(replicas) if ordinal >= partition(replicas, each.pods)]
        assert len(new) == each.pods
        assert new[-1] == replicas - 1


def test_the_usual_plan():
    assert plan(40, stages.DEFAULT) == (Stage(5, 2, 60), Stage(25, 10, 60), Stage(100, 40, 60))


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([], "stages"),
        ([(n, 60) for n in range(1, 9)], "stages"),
        ([(0, 60)], "share"),
        ([(101, 60)], "share"),
        ([(True, 60)], "share"),
        (["xy"], "share"),
        ([(50, 60), (50, 60)], "share"),
        ([(50, 60), (25, 60)], "share"),
        ([(100, 60)], "share"),
        ([(50, 9)], "seconds"),
        ([(50, 3601)], "seconds"),
        ([(50, None)], "seconds"),
        ([(50, 60), (100, 601)], "seconds"),
        ([(50, 60), (100, -1)], "seconds"),
    ],
)
def test_what_is_no_plan_is_refused(wanted, field):
    with pytest.raises(StagesRefused) as refused:
        plan(4, wanted)
    assert refused.value.problem.path == field


@pytest.mark.parametrize("value", [9, 1801, True, "60", None])
def test_patience_is_bounded(value):
    with pytest.raises(StagesRefused):
        stages.checked_patience(value)
    assert stages.checked_patience(30) == 30
