"""The ladder: the lowest rung that fits, each once a release, only as far as somebody consented, never in a hurry."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.healing import ladder
from apps.healing.ladder import COOLDOWN, Observation, Past, decide, defaults, more_memory

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIB = 1024**2
OPEN = defaults(protected=False)
CRASHING = Observation(release=2, looping=("web",), restarts=5, has_good_release=True)
OOM = replace(CRASHING, oom=True, memory=100 * MIB)


def past(rung, minutes=10, release=2, **more):
    return Past(rung, release, NOW - timedelta(minutes=minutes), **more)


def test_what_does_not_loop_needs_nothing():
    assert decide(NOW, replace(CRASHING, looping=()), [], OPEN) is None
    assert decide(NOW, replace(CRASHING, restarts=1), [], OPEN) is None


def test_the_first_rung_is_a_restart():
    decision = decide(NOW, CRASHING, [], OPEN)
    assert (decision.verdict, decision.rung, decision.why) == ("act", "restart", "crash-loop")


def test_then_the_release_that_was_good():
    assert decide(NOW, CRASHING, [past("restart")], OPEN).rung == "return"


def test_then_a_person():
    decision = decide(NOW, CRASHING, [past("restart"), past("return")], OPEN)
    assert (decision.verdict, decision.why) == ("alert", "exhausted")


def test_without_a_good_release_a_person_is_called_after_the_restart():
    alone = replace(CRASHING, has_good_release=False)
    assert decide(NOW, alone, [past("restart")], OPEN).rung == "alert"


def test_what_ran_out_of_memory_is_not_restarted_and_more_is_suggested_with_the_figure():
    assert decide(NOW, OOM, [], OPEN).rung == "return"
    decision = decide(NOW, replace(OOM, has_good_release=False), [], OPEN)
    assert (decision.verdict, decision.rung, decision.mode) == ("ask", "memory", "suggest")
    assert decision.memory == 150 * MIB


def test_a_suggestion_that_waits_is_not_made_twice():
    alone = replace(OOM, has_good_release=False)
    assert decide(NOW, alone, [past("memory", open=True)], OPEN) is None


def test_another_release_begins_at_the_bottom():
    assert decide(NOW, CRASHING, [past("restart", release=1)], OPEN).rung == "restart"


def test_protected_environments_ask_before_they_go_back():
    decision = decide(NOW, CRASHING, [past("restart")], defaults(protected=True))
    assert (decision.verdict, decision.mode) == ("ask", "approve")


def test_it_rests_between_two_actions_and_says_until_when():
    decision = decide(NOW, CRASHING, [past("restart", minutes=1)], OPEN)
    assert (decision.verdict, decision.why) == ("hold", "cooldown")
    assert decision.until == NOW + timedelta(minutes=4)


def test_while_somebody_is_at_work_on_it_it_waits():
    assert decide(NOW, replace(CRASHING, busy=True), [], OPEN).why == "busy"


def test_many_at_once_is_a_storm():
    assert decide(NOW, CRASHING, [], OPEN, healing=3, workloads=10).why == "storm"
    assert decide(NOW, CRASHING, [], OPEN, healing=3, workloads=100).verdict == "act"


@pytest.mark.parametrize(
    ("limit", "more"), [(64 * MIB, 96 * MIB), (3 * MIB, 5 * MIB), (10**15, 64 * 1024**3)]
)
def test_how_much_more_memory(limit, more):
    assert more_memory(limit) == more


rungs = st.sampled_from(ladder.RUNGS)


@given(
    st.builds(
        Observation,
        release=st.integers(1, 2),
        looping=st.sampled_from([(), ("web",)]),
        oom=st.booleans(),
        memory=st.sampled_from([0, 100 * MIB]),
        restarts=st.integers(0, 9),
        has_good_release=st.booleans(),
        busy=st.booleans(),
    ),
    st.lists(st.builds(past, rungs, st.floats(0, 20), st.integers(1, 2), open=st.booleans()), max_size=5),
    st.dictionaries(rungs, st.sampled_from(["suggest", "approve", "automatic"])),
    st.integers(0, 5),
)
def test_it_never_acts_without_consent_in_a_hurry_or_twice(observation, history, consents, healing):
    decision = decide(NOW, observation, history, consents, healing=healing, workloads=5)
    if decision is None or decision.verdict != "act":
        return
    assert consents[decision.rung] == "automatic"
    assert healing < ladder.most_at_once(5)
    assert not observation.busy
    done = [each for each in history if not each.open]
    assert all(NOW - each.at >= COOLDOWN for each in done)
    assert all(each.rung != decision.rung for each in done if each.release == observation.release)
