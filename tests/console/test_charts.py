"""Lines of charts: inside the box, gaps left open, round tops."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kcloud_site import charts

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
values = st.lists(st.one_of(st.none(), st.floats(0, 1e15)), max_size=50)


def numbers(path):
    return [float(word) for word in path.replace("M", " ").replace("L", " ").replace("h.4", " ").split()]


@given(values)
def test_every_value_lies_inside_the_box_and_only_gaps_break_the_line(found):
    points = [(START + HOUR * place, value) for place, value in enumerate(found)]
    top = charts.round_top(max((value for value in found if value is not None), default=0))
    span = charts.Span(START, START + HOUR * 49, top, HOUR * 1.5)
    path = charts.path(points, span)
    assert all(-0.01 <= number <= 100.01 for number in numbers(path))
    runs = sum(
        1
        for place, value in enumerate(found)
        if value is not None and (not place or found[place - 1] is None)
    )
    assert path.count("M") == runs
    assert len(numbers(path)) == 2 * sum(value is not None for value in found)


def test_hours_without_rows_break_the_line_too():
    points = [(START, 1.0), (START + HOUR, 1.0), (START + 5 * HOUR, 1.0)]
    path = charts.path(points, charts.Span(START, START + 10 * HOUR, 1.0, HOUR * 1.5))
    assert path == "M0.00 0.00L10.00 0.00 M50.00 0.00h.4"


@given(st.floats(1e-6, 1e18))
def test_the_top_is_round_and_not_far_above(highest):
    top = charts.round_top(highest)
    assert highest * (1 - 1e-6) <= top <= highest * 2.6
    assert charts.round_top(0) == charts.round_top(5e-324) == 1.0


def test_ticks_lie_evenly_inside():
    assert charts.ticks(START, START + 4 * HOUR, 3) == [START + HOUR * place for place in (1, 2, 3)]
