"""Progress: a line per component, honest about the time that is left."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.bundle.progress import Progress, bar_line, time_left

shares = st.floats(0, 1)
times = st.floats(0, 1e5)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@given(times, shares, times)
def test_time_left_is_never_negative(elapsed, share, expected):
    assert time_left(elapsed=elapsed, share=share, expected=expected) >= 0


@given(times, times)
def test_what_is_done_needs_no_more_time(elapsed, expected):
    assert time_left(elapsed=elapsed, share=1, expected=expected) == 0


def test_before_anything_is_known_the_estimate_counts():
    assert time_left(elapsed=10, share=0, expected=100) == 90


def test_later_the_measured_pace_counts_more():
    assert time_left(elapsed=100, share=0.5, expected=100) == pytest.approx(50)
    assert time_left(elapsed=300, share=0.9, expected=100) == pytest.approx(30)


@given(st.floats(-1, 2), times, times)
def test_a_bar_is_always_as_wide(share, elapsed, expected):
    line = bar_line("etcd", share=share, elapsed=elapsed, expected=expected)
    assert line.index("]") - line.index("[") == 25


def test_a_bar_shows_share_and_time_left():
    line = bar_line("etcd", share=0.5, elapsed=30, expected=60)
    assert line == "etcd                 [############............]  50%  30 s left"


def test_without_a_terminal_each_quarter_is_one_plain_line():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.start("etcd", 60)
    for step in range(101):
        progress.advance("etcd", step / 100)
    progress.done("etcd")
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["etcd:", "etcd", "etcd", "etcd", "etcd:"]
    assert [" 25%" in lines[1], " 50%" in lines[2], " 75%" in lines[3]] == [True] * 3
    assert "\x1b" not in stream.getvalue()


def test_progress_never_goes_back():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.start("etcd", 60)
    progress.advance("etcd", 0.6)
    progress.advance("etcd", 0.1)
    progress.advance("etcd", 0.6)
    assert stream.getvalue().count("60%") == 1


def test_what_was_found_or_failed_is_said():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.done("pause", reused=True)
    progress.start("etcd", 60)
    progress.failed("etcd")
    assert "pause: found in the store" in stream.getvalue()
    assert stream.getvalue().endswith("etcd: failed\n")


def test_on_a_terminal_lines_are_drawn_over():
    stream = Terminal()
    progress = Progress(stream)
    progress.start("etcd", 60)
    progress.start("packages", 30)
    progress.done("etcd")
    assert "\x1b[2A\x1b[J" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].startswith("packages")
