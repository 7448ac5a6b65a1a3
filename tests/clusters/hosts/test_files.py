"""Lists of hosts: rows, or every problem with its line and field, and never anything else."""

import csv
import io
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clusters.hosts import files as host_files
from clusters.hosts.files import COLUMNS, HostFileInvalid, Known, Row, as_csv, guess_format, parse

KNOWN = Known(
    names=frozenset({"old"}),
    addresses=frozenset({("10.9.9.9", 22)}),
    regions=frozenset({"beijing", "guangzhou"}),
    credentials=frozenset({"site-key", "other-key"}),
    default_region="beijing",
    default_credential="site-key",
)


def refused(text, format="csv", known=KNOWN):
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(HostFileInvalid) as error:
        parse(data, format, known)
    return [(problem.line, problem.field, problem.problem.code) for problem in error.value.problems]


def names(text, format="csv", known=KNOWN):
    return [row.name for row in parse(text.encode(), format, known)]


class TestCsv:
    def test_a_row_is_read_whole(self):
        text = "name,address,ssh_port,region,credential\nw01,10.0.0.1,2222,guangzhou,other-key\n"
        assert parse(text.encode(), "csv", KNOWN) == (
            Row(
                line=2,
                name="w01",
                address="10.0.0.1",
                ssh_port=2222,
                region="guangzhou",
                credential="other-key",
            ),
        )

    def test_what_a_row_leaves_out_is_the_default(self):
        for text in (
            "name,address\nw01,10.0.0.1",
            "name,address,ssh_port,region,credential\nw01,10.0.0.1,,,",
        ):
            row = parse(text.encode(), "csv", KNOWN)[0]
            assert (row.ssh_port, row.region, row.credential) == (22, "beijing", "site-key")

    @pytest.mark.parametrize(
        "text",
        [
            "name;address\nw01;10.0.0.1\n",
            "name\taddress\nw01\t10.0.0.1\n",
            "\ufeffname,address\r\nw01,10.0.0.1\r\n",
            "name,address\rw01,10.0.0.1\r",
            '"name","address"\n"w01","10.0.0.1"\n',
            "Name , ADDRESS\n w01 , 10.0.0.1 \n",
            "# hall 2\n\nname,address\n\n# rack 7\nw01,10.0.0.1\n,,\n",
            "address,name\n10.0.0.1,w01\n",
            "name,address,,\nw01,10.0.0.1,,\n",
            'name,address,region\nw01,10.0.0.1,"bei\njing"\n'.replace("bei\njing", "beijing"),
        ],
    )
    def test_the_ways_spreadsheets_write_are_all_read(self, text):
        assert names(text) == ["w01"]

    def test_the_line_is_the_one_an_editor_shows(self):
        text = 'name,address,region\n"w\n01",10.0.0.1,\n\nw02,10.0.0.999,\n'
        assert refused(text) == [(2, "name", "name"), (5, "address", "address")]

    @pytest.mark.parametrize(
        ("text", "problems"),
        [
            ("", [(0, "file", "empty")]),
            ("name,address\n", [(0, "file", "empty")]),
            ("w01,10.0.0.1\n", [(1, "10.0.0.1", "column"), (1, "address", "column-missing"),
                                (1, "name", "column-missing"), (1, "w01", "column")]),
            ("name\nw01\n", [(1, "address", "column-missing")]),
            ("name,name,address\nw01,w01,10.0.0.1\n", [(1, "name", "column-twice")]),
            ("name,address\nw01,10.0.0.1,22\n", [(2, "row", "cells")]),
            ('name,address\n"w01,10.0.0.1\n', [(2, "row", "csv")]),
            ('name,address\nw01,10.0.0.1\nw02,"10.0.0.2"x\n', [(3, "row", "csv")]),
            ("name,address\n,\n,10.0.0.1\nw01,\n", [(3, "name", "name"), (4, "address", "address")]),
        ],
    )  # fmt: skip
    def test_what_is_no_list_is_refused_with_its_place(self, text, problems):
        assert sorted(refused(text)) == sorted(problems)

    def test_a_formula_is_text_and_a_bad_name(self):
        assert refused("name,address\n=HYPERLINK(),10.0.0.1\n+1,@SUM\n") == [
            (2, "name", "name"), (3, "name", "name"), (3, "address", "address"),
        ]  # fmt: skip


class TestYaml:
    @pytest.mark.parametrize(
        "text",
        [
            "- name: w01\n  address: 10.0.0.1\n",
            "hosts:\n- name: w01\n  address: 10.0.0.1\n",
            "---\n# hall 2\n- {name: w01, address: 10.0.0.1, ssh_port: 22, region: null, credential: ~}\n...\n",
            '[{"name": "w01", "address": "10.0.0.1"}]',
            "\ufeff- name: 'w01'\n  address: \"10.0.0.1\"\n",
        ],
    )
    def test_the_usual_ways_are_read(self, text):
        assert names(text, "yaml") == ["w01"]

    def test_values_stay_the_text_they_are(self):
        assert names("- {name: 0x10, address: 10.0.0.1}\n- {name: no, address: 10.0.0.2}", "yaml") == [
            "0x10",
            "no",
        ]

    def test_the_line_is_the_rows_first(self):
        text = "# list\n- name: w01\n  address: 10.0.0.1\n\n- name: W02\n  address: 10.0.0.2\n"
        assert refused(text, "yaml") == [(5, "name", "name")]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", (0, "file", "empty")),
            ("hosts:\n", (0, "file", "empty")),
            ("[]", (0, "file", "empty")),
            ("w01", (1, "row", "not-a-list")),
            ("name: w01", (1, "row", "not-a-list")),
            ("- w01", (1, "row", "row")),
            ("- - w01", (1, "row", "row")),
            ("- name: [w01]\n  address: 10.0.0.1", (1, "name", "nested")),
            ("- name: w01\n  adress: 10.0.0.1", (2, "adress", "column")),
            ("- name: w01\n  name: w02", (2, "name", "twice")),
            ("- {? [a] : b}", (1, "row", "column")),
            ("- &a {name: w01}\n- *a", (1, "row", "alias")),
            ("- {name: w01, address: 10.0.0.1}\n- *a", (2, "row", "alias")),
            ("- !!python/object/apply:os.system [id]", (1, "row", "tag")),
            ("- name: !include /etc/passwd", (1, "row", "tag")),
            ("- <<: {name: w01}", (1, "<<", "column")),
            ("- {name: w01, address: 10.0.0.1}\n--- []", (2, "row", "more")),
            ("hosts: [{name: w01, address: 10.0.0.1}]\nmore: 1", (2, "row", "more")),
            ("- name: w01\n address: 10.0.0.1", (2, "row", "yaml")),
            ("- {name: w01", (1, "row", "yaml")),
            ("\t- name: w01", (1, "row", "yaml")),
            ("[" * 20_000, (1, "row", "row")),
        ],
    )
    def test_what_is_no_list_is_refused_with_its_place(self, text, problem):
        assert refused(text, "yaml") == [problem]

    def test_a_bomb_of_aliases_is_refused_at_its_first_anchor(self):
        bomb = "a: &a [x,x]\n" + "".join(f"{c}: &{c} [*a,*a]\n" for c in "bcdefgh")
        assert refused(bomb, "yaml") == [(1, "row", "not-a-list")]


class TestRules:
    """The same for both formats: one is enough to say them."""

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ("Web1,10.0.0.1,,,", ("name", "name")),
            ("w" * 64 + ",10.0.0.1,,,", ("name", "name")),
            ("import,10.0.0.1,,,", ("name", "reserved")),
            ("old,10.0.0.1,,,", ("name", "enrolled")),
            ("w01,10.9.9.9,,,", ("address", "enrolled")),
            ("w01,10.0.0.01,,,", ("address", "address")),
            ("w01,::1,,,", ("address", "address")),
            ("w01,0.0.0.0,,,", ("address", "address-kind")),
            ("w01,224.0.0.1,,,", ("address", "address-kind")),
            ("w01,255.255.255.255,,,", ("address", "address-kind")),
            ("w01,169.254.169.254,,,", ("address", "address-kind")),
            ("w01,10.0.0.1,0,,", ("ssh_port", "port")),
            ("w01,10.0.0.1,65536,,", ("ssh_port", "port")),
            ("w01,10.0.0.1,-1,,", ("ssh_port", "port")),
            ("w01,10.0.0.1,２２,,", ("ssh_port", "port")),
            ("w01,10.0.0.1,,mars,", ("region", "unknown")),
            ("w01,10.0.0.1,,,nokey", ("credential", "unknown")),
        ],
    )
    def test_each_bad_value_is_named_by_its_field(self, row, problem):
        assert refused("name,address,ssh_port,region,credential\n" + row) == [(2, *problem)]

    def test_the_address_is_taken_only_with_its_port(self):
        assert names("name,address,ssh_port\nw01,10.9.9.9,2222\n") == ["w01"]

    def test_without_a_default_the_column_is_needed(self):
        known = Known(regions=frozenset({"beijing"}), credentials=frozenset({"site-key"}))
        assert refused("name,address\nw01,10.0.0.1", known=known) == [
            (2, "region", "missing"), (2, "credential", "missing"),
        ]  # fmt: skip

    def test_a_repeated_name_or_address_names_the_first_line(self):
        text = b"name,address\nw01,10.0.0.1\nw02,10.0.0.1\nw01,10.0.0.3\n"
        with pytest.raises(HostFileInvalid) as error:
            parse(text, "csv", KNOWN)
        assert [problem.text_in(str) for problem in error.value.problems] == [
            "Line 3, address: 10.0.0.1:22 is in line 2 already. Keep one of the two rows.",
            "Line 4, name: w01 is in line 2 already. Keep one of the two rows.",
        ]

    def test_all_problems_are_told_at_once(self):
        text = "name,address,ssh_port\nA,x,y\nB,z,w\n"
        assert len(refused(text)) == 6

    def test_only_the_first_hundred_are_listed_and_the_rest_counted(self):
        text = "name,address\n" + "".join(f"X{n},bad\n" for n in range(80))
        with pytest.raises(HostFileInvalid) as error:
            parse(text.encode(), "csv", KNOWN)
        assert (len(error.value.problems), error.value.more) == (100, 60)

    def test_one_bad_row_refuses_the_file(self):
        assert refused("name,address\nw01,10.0.0.1\nw02,bad\nw03,10.0.0.3\n") == [(3, "address", "address")]

    @pytest.mark.parametrize("format", ["csv", "yaml"])
    def test_a_thousand_rows_are_taken_and_one_more_is_not(self, format):
        def file(count):
            made = [(f"h{n}", f"10.1.{n // 250}.{n % 250 + 1}") for n in range(count)]
            if format == "csv":
                return "name,address\n" + "".join(f"{name},{address}\n" for name, address in made)
            return "".join(f"- {{name: {name}, address: {address}}}\n" for name, address in made)

        assert len(names(file(1000), format)) == 1000
        assert refused(file(1001), format) == [(0, "file", "too-many")]

    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"x" * (host_files.MAX_BYTES + 1), "too-big"),
            ("name,address\nw01,10.0.0.1".encode("utf-16"), "encoding"),
            (b"\xff\xfe\x00", "encoding"),
            (b"name,address\nw\x0001,10.0.0.1\n", "binary"),
        ],
    )
    def test_what_is_no_text_is_refused_as_a_whole(self, data, code):
        assert refused(data) == [(0, "file", code)]

    def test_hostile_names_come_back_short_and_on_one_line(self):
        name = "\x1b[31m" + "x" * 500 + "\u202e"
        with pytest.raises(HostFileInvalid) as error:
            parse(f"name,address\n{name},10.0.0.1\n".encode(), "csv", KNOWN)
        said = error.value.problems[0].text_in(str)
        assert "\x1b" not in said
        assert len(said) < 300


@pytest.mark.parametrize(
    ("file_name", "data", "format"),
    [
        ("hosts.csv", b"- name: x", "csv"),
        ("HOSTS.YML", b"name,address", "yaml"),
        ("hosts.json", b"[]", "yaml"),
        ("hosts.txt", b"name,address", "csv"),
        ("", b"# list\n- name: x", "yaml"),
        ("", b"\xef\xbb\xbfhosts:\n", "yaml"),
        ("", b"---\n- name: x", "yaml"),
        ("", b"", "csv"),
        ("", b"\xff\xff", "csv"),
    ],
)
def test_the_format_is_the_names_or_the_looks(file_name, data, format):
    assert guess_format(data, file_name) == format


cells = st.sampled_from(
    ["w01", "10.0.0.1", "22", "beijing", "", "=1", '"', "\n", "é", "\x00", "a,b", "\ufeff"]
) | st.text(max_size=8)
tables = st.lists(st.lists(cells, max_size=6), max_size=6)


def written(table):
    out = io.StringIO(newline="")
    csv.writer(out).writerows([list(COLUMNS), *table])
    return out.getvalue()


yaml_like = st.lists(
    st.sampled_from(
        [
            "- ",
            "name: ",
            "address: ",
            "\n",
            "  ",
            "{",
            "}",
            "[",
            "]",
            "&a ",
            "*a",
            "!t ",
            "x",
            "'",
            ": ",
            "%",
            "?",
        ]
    )
).map("".join)


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
        tables.map(written).map(lambda text: text.encode("utf-8", "replace")),
        yaml_like.map(str.encode),
    ),
    st.sampled_from(["csv", "yaml"]),
)
@example(b"- ? \n", "yaml")
@example(b"%YAML 9.9\n---\n- x", "yaml")
@example(b"\xef\xbb\xbf", "csv")
def test_any_file_gives_checked_rows_or_places_of_problems(data, format):
    try:
        rows, problems = parse(data, format, KNOWN), []
    except HostFileInvalid as error:
        rows, problems = (), error.problems
    assert bool(rows) != bool(problems)
    assert all(problem.line >= 0 and problem.field and problem.text_in(str) for problem in problems)
    assert len({row.name for row in rows}) == len(rows)
    assert all(row.region in KNOWN.regions and row.credential in KNOWN.credentials for row in rows)
    if rows:
        again = parse(as_csv(rows).encode(), "csv", KNOWN)
        assert [replace(row, line=0) for row in again] == [replace(row, line=0) for row in rows]
