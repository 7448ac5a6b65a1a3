"""Lost nodes of imported clusters: lease and API server's proxy have to agree; without the proxy it is suggested."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from clusters.healing.imported import Seen, decide, is_overdue

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OTHERS = [Seen(f"w{number}", NOW, ready="True") for number in (2, 3)]


def gone(proxy="silent", **values):
    asked = None if proxy is None else (proxy, NOW)
    return Seen("w1", NOW - timedelta(seconds=30), proxy=asked, **values)


@pytest.mark.parametrize(
    ("proxy", "verdict"),
    [
        ("silent", [("lost", "witnesses")]),
        ("answered", [("wait", "one-witness")]),
        ("refused", [("hold", "no-second")]),
        (None, []),
    ],
)
def test_an_overdue_lease_needs_the_proxys_word(proxy, verdict):
    assert [(each.action, each.why) for each in decide(NOW, [gone(proxy), *OTHERS])] == verdict


def test_both_witnesses_are_named():
    (verdict,) = decide(NOW, [gone(), *OTHERS])
    assert [each.who for each in verdict.witnesses] == ["lease", "proxy"]


def test_one_missed_turn_is_no_loss():
    assert not is_overdue(NOW, Seen("w1", NOW - timedelta(seconds=20)))
    assert is_overdue(NOW, Seen("w1", NOW - timedelta(seconds=22)))


def test_two_of_three_is_a_storm_also_for_what_would_be_suggested():
    both = [gone(), replace(gone("refused"), node="w2"), OTHERS[1]]
    assert {(each.action, each.why) for each in decide(NOW, both)} == {("hold", "storm")}


def test_what_was_acted_on_is_not_decided_again_and_comes_back_when_it_reports():
    assert decide(NOW, [gone(known_lost=True), *OTHERS]) == []
    (verdict,) = decide(NOW, [Seen("w1", NOW, ready="True", known_lost=True), *OTHERS])
    assert verdict.action == "back"
    assert decide(NOW, [Seen("w1", NOW, ready="Unknown", known_lost=True), *OTHERS]) == []
