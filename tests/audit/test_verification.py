"""Reading the chain by turns: what is new first, then everything once more, a bounded number of events each time."""

import pytest

from kcloud_site.audit import chain, trail, verification
from kcloud_site.audit.models import AuditEvent, ChainHead
from kcloud_site.audit.trail import Subject

EAST = Subject("clusters.cluster", "1", "east")


def write(count):
    return [
        trail.record(by=None, action="cluster.deploy", subject=EAST, after={"n": n}) for n in range(count)
    ]


def forge(event, **fields):
    AuditEvent.objects.filter(pk=event.pk).update(**fields)


def test_a_trail_without_events_is_whole(db):
    state = verification.go_on()
    assert (state.broken_at, state.end_events) == (None, 0)
    assert state.checked_at is not None


def test_nothing_is_known_before_the_first_turn(db):
    assert verification.state().checked_at is None


def test_a_turn_reads_a_bounded_number_and_the_next_goes_on_there(db):
    write(5)
    assert [verification.go_on(limit=2).end_events for _ in range(4)] == [2, 4, 5, 5]


def test_new_events_are_read_at_the_next_turn_however_long_the_trail_is(db):
    write(6)
    for _ in range(3):
        verification.go_on(limit=2)
    new = write(1)[0]
    forge(new, actor="somebody-else")
    assert verification.go_on(limit=2).broken_id == new.pk


@pytest.mark.parametrize("place", range(6))
def test_a_changed_old_event_is_noticed_within_one_round(db, place):
    rows = write(6)
    for _ in range(5):
        verification.go_on(limit=2)
    forge(rows[place], reason="forged")
    found = [verification.go_on(limit=2).broken_id for _ in range(4)]
    assert rows[place].pk in found
    assert found[-1] == rows[place].pk


def test_a_removed_old_event_is_noticed_within_one_round(db):
    rows = write(6)
    for _ in range(3):
        verification.go_on(limit=2)
    rows[1].delete()
    assert rows[2].pk in [verification.go_on(limit=2).broken_id for _ in range(4)]


def test_a_cut_end_is_noticed_at_the_next_turn_even_with_the_head_forged_to_match(db):
    rows = write(4)
    verification.go_on()
    rows[3].delete()
    ChainHead.objects.update(events=3, hash=rows[2].hash)
    state = verification.go_on()
    assert state.broken_id == 0
    assert "gone or was changed" in state.broken_why


def test_a_trail_forged_anew_to_its_very_end_is_noticed(db):
    """Whoever forges every seal after the change, and the head, still meets the seal read last."""
    rows = write(3)
    verification.go_on()
    previous = chain.FIRST
    for row in rows:
        content = {name: getattr(row, name) for name in chain.FIELDS} | {
            "actor": "nobody",
            "previous_hash": previous,
        }
        previous = chain.seal(content)
        forge(row, actor="nobody", hash=previous, previous_hash=content["previous_hash"])
    ChainHead.objects.update(hash=previous)
    assert trail.verify().intact
    assert verification.go_on().broken_at is not None


def test_a_break_is_remembered_since_it_was_found_and_over_when_the_rows_are_right_again(db):
    rows = write(3)
    forge(rows[1], reason="forged")
    first = verification.go_on()
    again = verification.go_on()
    assert again.broken_at == first.broken_at
    forge(rows[1], reason="")
    well = verification.go_on()
    assert (well.broken_at, well.broken_id, well.broken_why) == (None, None, "")
    assert well.end_events == 3


def test_the_whole_trail_counts_as_read_once_the_second_reading_is_at_the_end(db):
    write(4)
    assert verification.go_on(limit=3).whole_at is None
    assert verification.go_on(limit=3).whole_at is not None


def test_a_turn_costs_the_same_number_of_queries_however_long_the_trail_is(db, django_assert_max_num_queries):
    write(30)
    with django_assert_max_num_queries(14):
        verification.go_on()
