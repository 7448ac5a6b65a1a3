"""Streams of lines are read, ordered and pointed at."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from apps.loglines.lines import (
    LONGEST_LINE,
    Point,
    around,
    clean,
    merged,
    moment,
    nanoseconds,
    numbered,
    read_point,
    read_stamp,
    read_stream,
    stamp,
)

TIMES = st.integers(min_value=0, max_value=4_000_000_000 * 10**9)
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)


@given(TIMES)
def test_a_stamp_reads_back_to_the_nanosecond(at):
    assert read_stamp(stamp(at)) == at
    assert abs(nanoseconds(moment(at)) - at) < 1000


def test_stamps_of_other_lengths_and_zones_are_read():
    assert read_stamp("1970-01-01T00:00:01Z") == 10**9
    assert read_stamp("1970-01-01T01:00:01.5+01:00") == 1_500_000_000
    for wrong in ("", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01 00:00:00Z", "1960-01-01T00:00:00Z"):
        assert read_stamp(wrong) is None


@given(TIMES, NAMES, NAMES, st.integers(min_value=0, max_value=999))
def test_a_point_reads_back_from_its_address(at, pod, container, number):
    point = Point(at, pod, container, number)
    assert read_point(str(point)) == point


@given(st.text(max_size=40))
def test_any_other_text_is_no_point(text):
    found = read_point(text)
    assert found is None or str(found).lstrip("0") == text.lstrip("0")


def test_lines_of_one_time_are_numbered_in_their_order():
    data = b"1970-01-01T00:00:01Z a\n1970-01-01T00:00:01Z b\n1970-01-01T00:00:02Z c\n"
    lines = read_stream(data, "web-1", "app")
    assert [(line.point.number, line.text) for line in lines] == [(0, "a"), (1, "b"), (0, "c")]


def test_a_stream_cut_at_its_start_leaves_out_the_time_it_may_be_cut_in():
    data = b"1970-01-01T00:00:01Z b\n1970-01-01T00:00:02Z c\n"
    assert [line.text for line in read_stream(data, "p", "c", whole_start=False)] == ["c"]
    one = b"1970-01-01T00:00:01Z only\n"
    assert [line.text for line in read_stream(one, "p", "c", whole_start=False)] == ["only"]


def test_half_a_line_at_the_end_of_what_was_cut_is_left_for_the_next_time():
    data = b"1970-01-01T00:00:01Z whole\n1970-01-01T00:00:02Z hal"
    assert [line.text for line in read_stream(data, "p", "c", whole_end=False)] == ["whole"]
    assert [line.text for line in read_stream(data, "p", "c")] == ["whole", "hal"]


def test_a_line_without_a_time_belongs_to_the_one_before():
    data = b"lost\n1970-01-01T00:00:01Z a\nrest of a\n"
    assert [line.text for line in read_stream(data, "p", "c")] == ["a rest of a"]


def test_hostile_text_is_shown_harmless():
    assert clean("\x1b[31mred\x1b[0m \x00\u202egnp.exe\tend\r\n") == "red \ufffd\ufffdgnp.exe\tend"
    assert len(clean("x" * 10**6)) == LONGEST_LINE + 1
    (line,) = read_stream(b"1970-01-01T00:00:01Z \xff\xfe<script>\n", "p", "c")
    assert line.text == "\ufffd\ufffd<script>"


@given(st.binary(max_size=500), st.booleans(), st.booleans())
def test_any_bytes_are_read(data, start, end):
    lines = read_stream(data, "p", "c", whole_start=start, whole_end=end)
    assert [line.point for line in lines] == sorted(line.point for line in lines)


ENTRIES = st.lists(st.tuples(st.integers(min_value=0, max_value=9), st.text(max_size=5)), max_size=20)


@given(ENTRIES, ENTRIES)
def test_merged_streams_hold_every_line_once_and_in_order(one, other):
    streams = [numbered("a", "c", one), numbered("b", "c", other)]
    found = merged([*streams, streams[0]])
    assert len(found) == len(one) + len(other)
    assert [line.point for line in found] == sorted(line.point for line in found)


@given(ENTRIES, st.integers(min_value=0, max_value=3))
def test_around_shows_the_line_with_its_neighbours(entries, sides):
    lines = numbered("a", "c", entries)
    for place, line in enumerate(lines):
        shown = around(lines, line.point, sides)
        assert line in shown
        assert shown == lines[max(0, place - sides) : place + sides + 1]


def test_a_line_tells_its_time():
    (line,) = read_stream(b"2026-01-02T03:04:05.000006789Z x\n", "p", "c")
    assert line.time == datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
