"""What is exported comes back the same, in every format; secrets neither leave nor come back by accident."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.configuring import exchange, lines
from apps.configuring.entries import Entry, parse
from apps.configuring.exchange import FORMATS, PLACEHOLDER, Source, merged, read, write
from apps.errors import ConfigurationInvalid

SOURCE = Source("web", "dev", 7)
# All that entries may hold: no control characters but tab and line ends, no halves of characters.
VALUES = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters=[chr(n) for n in range(32) if n not in (9, 10, 13)]
    )
)
NAMES = st.from_regex(r"[A-Za-z_][-._A-Za-z0-9]{0,12}", fullmatch=True)
PLAIN = st.builds(Entry, NAMES, st.just("variable"), st.just("text"), VALUES)
SECRETS = st.builds(Entry, NAMES, st.just("variable"), st.just("text"), st.none(), st.just(True))
FILES = st.builds(Entry, NAMES, st.just("file"), st.just("text"), VALUES)
ENTRIES = st.lists(PLAIN | SECRETS | FILES, unique_by=lambda each: each.name, max_size=5).map(
    lambda found: tuple(sorted(found, key=lambda each: (each.kind != "variable", each.name)))
)


def back(form, text, there):
    kept = [each.name for each in there if each.secret]
    return parse(merged(form, read(form, text), there), kept)


@given(st.sampled_from(FORMATS), ENTRIES)
@example("yaml", (Entry("A", value="\x85\u2028\u2029\ufeff\r\n\n  x: [*"),))
@example("properties", (Entry("A.b-c", value="  =:#!\\\U0001f600\n"),))
@example("env", (Entry("A", value="\"$X\\n' #"), Entry("f", "file", value="x")))
@example("json", (Entry("A", value=PLACEHOLDER),))
def test_an_export_comes_back_as_it_was(form, entries):
    if form in ("env", "properties"):
        entries = tuple(each for each in entries if each.value != PLACEHOLDER)
    assert back(form, write(form, SOURCE, entries), entries) == entries


@pytest.mark.parametrize("form", FORMATS)
def test_a_secret_is_told_as_a_placeholder_and_refused_where_there_is_none(form):
    secret = Entry("DB_PASSWORD", value=None, secret=True, since=3)
    text = write(form, SOURCE, (secret,))
    assert PLACEHOLDER in text
    with pytest.raises(ConfigurationInvalid, match="value is missing"):
        back(form, text, ())


def test_formats_of_lines_leave_files_alone_and_say_so():
    there = (Entry("A", value="1"), Entry("a.json", "file", "json", "{}", schema={"type": "object"}))
    text = write("env", SOURCE, there)
    assert text == (
        '# web in dev, r7\n# Variables only. Files are in the JSON and YAML exports: a.json\nA="1"\n'
    )
    assert [(each.name, each.value) for each in back("env", "B=2\n", there)] == [("B", "2"), ("a.json", "{}")]


def test_a_line_keeps_what_is_known_of_its_variable():
    there = (
        Entry("J", format="json", value="{}", schema={"type": "object"}),
        Entry("S", value=None, secret=True),
    )
    made = {each.name: each for each in back("env", 'J={"a":1}\nS=new\n', there)}
    assert (made["J"].format, made["J"].schema, made["J"].value) == ("json", {"type": "object"}, '{"a":1}')
    assert (made["S"].secret, made["S"].value) == (True, "new")
    with pytest.raises(ConfigurationInvalid, match="not JSON"):
        back("env", "J={\n", there)


def test_env_files_of_others_are_read():
    text = "\ufeff# c\n\nexport A=1\nB = two words # why\nC='$x \\n'\nD=\"a\\tb\" # c\r\nE=\nF=a#b\n"
    values = {each["name"]: each["value"] for each in read("env", text)}
    assert values == {"A": "1", "B": "two words", "C": "$x \\n", "D": "a\tb", "E": "", "F": "a#b"}


def test_properties_of_others_are_read():
    text = "# c\n! d\na=1\nb: 2\nc 3\nlong = one \\\n   two\nu=\\u00e4\\ud83d\\ude00\nempty\nk\\:x=v\n"
    assert lines.read_properties(text) == {
        "a": "1",
        "b": "2",
        "c": "3",
        "long": "one two",
        "u": "ä😀",
        "empty": "",
        "k:x": "v",
    }


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        ("env", "A=1\nB", 2),
        ("env", 'A="x', 1),
        ("env", 'A="x" y', 1),
        ("env", "A=1\nA=2", 2),
        ("env", "=1", 1),
        ("properties", "a=\\u12", 1),
        ("properties", "\n=x", 2),
        ("properties", "a=1\na=2", 2),
        ("json", '{\n"kind": SECRET', 2),
        ("yaml", "a: [SECRET", 1),
    ],
)
def test_what_is_wrong_names_its_line_and_nothing_else(form, text, line):
    with pytest.raises(ConfigurationInvalid) as refused:
        read(form, text)
    [problem] = refused.value.problems
    assert problem.message.startswith(f"Line {line}")
    assert "SECRET" not in repr(problem)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("json", "[]"),
        ("json", '{"entries": []}'),
        ("json", '{"kind": "kcloud-configuration"}'),
        ("json", '{"kind": "kcloud-configuration", "entries": [1]}'),
        ("yaml", "kind: kcloud-configuration\nentries: &a [*a]\n"),
        ("yaml", ""),
        ("toml", ""),
        ("env", "A=1\n" * 200_000),
    ],
)
def test_what_is_no_export_is_refused(form, text):
    with pytest.raises(ConfigurationInvalid):
        read(form, text)


def test_a_field_nobody_knows_is_not_dropped():
    text = json.dumps({"kind": exchange.KIND, "entries": [{"name": "A", "value": "1", "ttl": 5}]})
    with pytest.raises(ConfigurationInvalid, match="ttl is not a field"):
        back("json", text, ())


@given(st.sampled_from(FORMATS), st.text(max_size=80))
def test_any_text_is_read_or_refused(form, text):
    with contextlib.suppress(ConfigurationInvalid):
        back(form, text, ())
