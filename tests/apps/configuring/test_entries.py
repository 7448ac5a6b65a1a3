"""What a configuration may hold, and that no message repeats a secret."""

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.configuring import syntax
from apps.configuring.comparing import difference
from apps.configuring.entries import Entry, parse, read, stored
from apps.errors import ConfigurationInvalid


def refused(*entries, kept=()):
    with pytest.raises(ConfigurationInvalid) as error:
        parse(list(entries), kept)
    return [(each.path, each.code) for each in error.value.problems]


def test_entries_come_out_variables_first_by_name_and_survive_the_row():
    given_ = [
        {"name": "b.json", "kind": "file", "format": "json", "value": "{}", "schema": {"type": "object"}},
        {"name": "B", "value": "2"},
        {"name": "A", "value": "1"},
    ]
    entries = parse(given_)
    assert [each.name for each in entries] == ["A", "B", "b.json"]
    assert read([stored(each) for each in entries]) == entries


@pytest.mark.parametrize("name", ["", "1A", "A B", "A=B", "ä", "../x", "A\n"])
def test_names_of_variables_that_are_none(name):
    assert refused({"name": name, "value": "x"}) == [("entries.0.name", "name")]


@pytest.mark.parametrize("name", ["", ".", "..", "..a", "a/b", "a b", "a\n"])
def test_names_of_files_that_are_none(name):
    assert refused({"name": name, "kind": "file", "value": "x"}) == [("entries.0.name", "name")]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", "{"),
        ("json", "NaN"),
        ("json", "[" * 100_000),
        ("yaml", "a: [1"),
        ("yaml", "a: 1\na: 2"),
        ("yaml", "[" * 200),
        ("yaml", "\t- x"),
        ("properties", "=x"),
        ("properties", "key"),
        ("properties", "a=1\na=2"),
        ("properties", "a=\\u12"),
    ],
)
def test_texts_that_are_not_what_they_say(form, text):
    entry = {"name": "f", "kind": "file", "format": form, "value": text}
    assert refused(entry) == [("entries.0.value", "syntax")]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", '{"a": 1}'),
        ("yaml", "a: 1\n---\nb: 2\n"),
        ("yaml", "a: &x 1\nb: *x\n"),
        ("yaml", "a: !env X\n"),
        ("yaml", ""),
        ("properties", "# comment\n! too\na=1\nb: 2\nc 3\nlong = one \\\n  two\n"),
    ],
)
def test_texts_that_are(form, text):
    assert syntax.check(form, text)[0] is None


def test_a_few_lines_of_aliases_do_not_unfold():
    lines = ["a0: &a0 [x, x]"] + [
        f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(9))}]" for n in range(1, 30)
    ]
    started = time.perf_counter()
    assert syntax.check("yaml", "\n".join(lines)) == (None, None)
    assert time.perf_counter() - started < 2


def test_the_schema_names_the_place_and_the_rule():
    entry = {"name": "a.json", "kind": "file", "format": "json", "value": '{"retry": "three"}'}
    schema = {"properties": {"retry": {"type": "integer", "maximum": 10}}}
    with pytest.raises(ConfigurationInvalid, match="/retry: 'three' is not of type 'integer'"):
        parse([{**entry, "schema": schema}])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "#/nowhere"},
        {"allOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"properties": {"a": {"pattern": "(a+)+$"}}},
        {"properties": {"a": {"pattern": "a*a*a*a*a*b"}}},
        {"properties": {"a": {"pattern": "["}}},
        {
            "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)},
            "$ref": "#/$defs/d0",
        },
        {"description": "x" * 70_000},
    ],
)
def test_a_schema_that_is_wrong_or_too_much_work_is_refused_in_no_time(schema):
    entry = {"name": "a.json", "kind": "file", "format": "json", "value": json.dumps({"a": "a" * 40})}
    started = time.perf_counter()
    assert refused({**entry, "schema": schema})[0] == ("entries.0.schema", "schema")
    assert time.perf_counter() - started < 3


def test_patterns_within_reason_work():
    entry = {"name": "a.json", "kind": "file", "format": "json", "value": '{"a": "r-12"}'}
    good = {"properties": {"a": {"pattern": "^r-[0-9]+$"}}, "patternProperties": {"^b": {"type": "number"}}}
    assert parse([{**entry, "schema": good}])
    assert (
        refused({**entry, "value": '{"a": "x", "b": ""}', "schema": good})
        == [("entries.0.value", "schema")] * 2
    )


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"format": "json", "value": "PLANTED{"}, "value"),
        ({"format": "yaml", "value": "a: [PLANTED"}, "value"),
        ({"format": "properties", "value": "PLANTED"}, "value"),
        ({"format": "json", "value": '"PLANTED"', "schema": {"type": "object"}}, "value"),
        ({"format": "json", "value": '{"PLANTED": 1}', "schema": {"additionalProperties": False}}, "value"),
        ({"value": "PLANTED\x00"}, "value"),
        ({"format": "json", "value": '{"PLANTED": 1}', "schema": {"propertyNames": {"const": "x"}}}, "value"),
    ],
)
def test_what_is_wrong_with_a_secret_is_told_without_it(extra, path):
    with pytest.raises(ConfigurationInvalid) as error:
        parse([{"name": "f", "kind": "file", "secret": True, **extra}])
    assert [each.path for each in error.value.problems] == [f"entries.0.{path}"]
    assert "PLANTED" not in str(error.value)
    assert "PLANTED" not in repr(error.value.problems)


def test_more_than_an_object_holds_is_refused():
    half = {"kind": "file", "value": "x" * 600_000}
    assert refused({**half, "name": "a"}, {**half, "name": "b"}) == [("entries", "size")]
    assert parse([{**half, "name": "a"}, {**half, "name": "b", "secret": True}])


def test_a_name_is_there_once():
    assert refused({"name": "A", "value": "1"}, {"name": "A", "kind": "file", "value": ""}) == [
        ("entries.1.name", "twice")
    ]


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["file", "json", "yaml", "variable"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "kind", "format", "secret", "value", "schema", "x"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(JUNK)
def test_any_junk_is_read_or_refused(value):
    with contextlib.suppress(ConfigurationInvalid):
        parse(value)


@given(st.sampled_from(syntax.FORMATS), st.text(max_size=60))
def test_any_text_is_judged(form, text):
    wrong, _documents = syntax.check(form, text)
    assert wrong is None or (wrong.text % {**wrong.facts, "format": ""})


ENTRIES = st.lists(
    st.builds(
        Entry,
        st.sampled_from(["A", "B", "C", "D"]),
        st.just("variable"),
        st.just("text"),
        st.sampled_from(["1", "2\n3", "2\n4"]),
    ),
    unique_by=lambda each: each.name,
).map(tuple)


@given(ENTRIES, ENTRIES)
def test_a_difference_is_empty_for_equals_and_its_lines_lead_from_one_to_the_other(before, after):
    changes = difference(before, after)
    old, new = {each.name: each.value for each in before}, {each.name: each.value for each in after}
    assert {each.name for each in changes} == {name for name in old | new if old.get(name) != new.get(name)}
    for each in changes:
        assert [line.text for line in each.lines if line.sign != "del"] == (
            new.get(each.name) or ""
        ).splitlines()
        assert [line.text for line in each.lines if line.sign != "add"] == (
            old.get(each.name) or ""
        ).splitlines()


def test_secrets_are_compared_by_when_they_changed():
    was, now = (Entry("S", value=None, secret=True, since=each) for each in (1, 2))
    [change] = difference((was,), (now,))
    assert (change.what, change.secret, change.lines) == ("changed", True, ())
    assert not difference((was,), (was,))
    [change] = difference((was,), (now,), same_place=False)
    assert change.what == "unknown"
