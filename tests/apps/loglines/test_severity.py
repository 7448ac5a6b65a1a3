"""Severity is guessed from a line's own words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.loglines.severity import LEVELS, at_least, severity_of


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ('{"level":"error","msg":"no room"}', "error"),
        ('{"severity":"WARNING","message":"soon"}', "warning"),
        ('{"level":30,"msg":"pino"}', "info"),
        ('{"level":50}', "error"),
        ('{"log.level":"debug"}', "debug"),
        ('{"level":true}', ""),
        ('{"msg":"nothing of it"}', ""),
        ('{"half": ERROR', "error"),
        ("E0102 15:04:05.000001       1 main.go:7] no", "error"),
        ("W0102 15:04:05.000001       1 main.go:7] hm", "warning"),
        ('time="2026-01-02" level=warn msg="x"', "warning"),
        ("2026-01-02 15:04:05,123 ERROR shop.orders: no stock", "error"),
        ("2026-01-02 03:04:05.006 UTC [1] LOG:  database system is ready", "info"),
        ("2026-01-02 03:04:05.006 UTC [1] FATAL:  password", "error"),
        ("[warn] 12 connections", "warning"),
        ("2026/01/02 15:04:05 [error] 7#7: *1 open() failed", "error"),
        ("Traceback (most recent call last):", "error"),
        ("ValueError: invalid literal", "error"),
        ("panic: runtime error", "error"),
        ("no errors were found", ""),
        ("GET /error-pages/info.html 200", ""),
        ("", ""),
    ],
)
def test_the_level_a_line_names_is_its_severity(text, severity):
    assert severity_of(text) == severity


def test_a_line_that_does_not_say_counts_as_info():
    assert at_least("", "info")
    assert not at_least("", "warning")
    assert at_least("error", "warning")
    assert at_least("debug", "")
    assert not at_least("debug", "info")


@given(st.text(max_size=600))
def test_any_text_gets_a_level_or_none(text):
    assert severity_of(text) in ("", *LEVELS)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=5
    )
)
def test_any_json_value_as_level_is_borne(value):
    assert severity_of(json.dumps({"level": value})) in ("", *LEVELS)


def test_json_nested_beyond_reason_is_borne():
    assert severity_of('{"a":' + "[" * 100_000) == ""
