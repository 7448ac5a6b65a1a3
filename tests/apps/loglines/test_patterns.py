"""Patterns that could hold a process are refused; those that remain are bounded in time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.loglines.patterns import LONGEST_PATTERN, PatternRefused, PatternTooSlow, read_pattern


@pytest.mark.parametrize(
    "text", ["timeout", "time.?out", "order \\d+ failed", "^(GET|POST) /api/", "[a-f]{8}", "a|b"]
)
def test_ordinary_patterns_are_let_through(text):
    assert read_pattern(text).text == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(a+)+$", "nested"),
        ("(a|a)*b", "nested"),
        ("(a?){50}", "nested"),
        ("a*b*c*d", "many"),
        ("a?" * 20 + "a" * 20, "many"),
        ("(a|a)" * 9, "many"),
        ("(x)\\1", "construct"),
        ("(?=a)b", "construct"),
        ("(?<!a)b", "construct"),
        ("(", "syntax"),
        ("a{99999999999999999999}", "syntax"),
        ("a" * (LONGEST_PATTERN + 1), "long"),
    ],
)
def test_dangerous_ones_are_refused_and_say_why(text, code):
    with pytest.raises(PatternRefused) as refused:
        read_pattern(text)
    assert refused.value.code == code


@given(st.text(alphabet="ab()[]{}*+?|\\^$.<>=!:1,", max_size=LONGEST_PATTERN))
def test_whatever_is_let_through_ends_soon(text):
    try:
        pattern = read_pattern(text)
    except PatternRefused:
        return
    search, began = pattern.searcher(0.2), time.perf_counter()
    try:
        for _line in range(20):
            search("a" * 990 + "!")
    except PatternTooSlow:
        pass
    assert time.perf_counter() - began < 10


def test_all_searches_together_have_a_time():
    search = read_pattern(".*a.*b").searcher(0.05)
    with pytest.raises(PatternTooSlow):
        any(search("a" * 1000) for _line in range(1000))


def test_case_does_not_matter():
    assert read_pattern("ERROR").searcher()("an error")
