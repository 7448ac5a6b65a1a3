"""A release through the fields of a form: nothing of it is lost, and every problem leads to its field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.errors import SpecInvalid
from apps.specs.fields import MOST_ROWS, ROWS, Fields, blank_row, can_show, fields_of, posted
from apps.specs.reading import parse
from apps.specs.spec import as_json
from apps.specs.written import written
from tests.apps.things import web_spec

labels = st.from_regex(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
numbers = st.integers(1, 65535)
# What shells, YAML and browsers treat in their own ways; a carriage return is looked at apart.
MARKS = "aZ9 '\"\\$#:{}-_=é中"
texts = st.text(st.sampled_from(MARKS + "\n\t\x1b"), max_size=8)
lines = st.text(st.sampled_from(MARKS), max_size=8)
words = st.lists(texts, max_size=3)
amounts = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["100m", "1", "0.5"]),
        "memory": st.sampled_from(["64Mi", "1Gi", "1.5Gi"]),
    },
)
times = {"period": st.integers(1, 3600), "timeout": st.integers(1, 600), "failures": st.integers(1, 1000)}
probes = st.one_of(
    st.fixed_dictionaries({"type": st.just("http"), "port": numbers, "path": lines, **times}),
    st.fixed_dictionaries({"type": st.just("tcp"), "port": numbers, "delay": st.integers(0, 3600)}),
    st.fixed_dictionaries({"type": st.just("grpc"), "port": numbers, "service": lines}),
    st.fixed_dictionaries({"type": st.just("exec"), "command": st.lists(texts, min_size=1, max_size=3)}),
)


@st.composite
def documents(draw):
    """Good releases of every shape, those that a form cannot wholly show among them."""
    ports = draw(st.lists(st.tuples(labels, numbers), max_size=3, unique_by=(lambda p: p[0], lambda p: p[1])))
    kind = draw(st.sampled_from(["Deployment", "StatefulSet"]))
    types = ["empty", "claim"] if kind == "StatefulSet" else ["empty"]
    volumes = [
        {"name": name, "type": draw(st.sampled_from(types)), "size": "1Gi", "storage_class": draw(lines)}
        for name in draw(st.lists(labels, max_size=3, unique=True))
    ]
    container = {
        "name": "web",
        "image": draw(labels),
        "command": draw(words),
        "args": draw(words),
        "ports": [{"name": name, "port": port} for name, port in ports],
        "environment": draw(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_.]{0,8}", fullmatch=True), texts)),
        "resources": {"requests": draw(amounts), "limits": draw(amounts)},
        "probes": draw(st.dictionaries(st.sampled_from(["startup", "readiness", "liveness"]), probes)),
        "mounts": draw(_mounts(volumes)),
    }
    document = {
        "kind": kind,
        "containers": [container],
        "volumes": volumes,
        "group": draw(st.none() | numbers),
    }
    if draw(st.booleans()):
        document["containers"].append({"name": "beside", "image": draw(labels)})
    offered = draw(_offered([name for name, _port in ports]))
    if offered:
        document["service"] = {"ports": offered, "headless": draw(st.booleans())}
    if draw(st.booleans()):
        document["configuration"] = {
            "environment": draw(st.booleans()),
            "path": draw(st.sampled_from(["", "/c"])),
        }
    if draw(st.booleans()):
        document["scaling"] = {"min": 2, "max": draw(st.integers(2, 9))}
    return document


@st.composite
def _mounts(draw, volumes):
    names = draw(st.lists(st.sampled_from(volumes), max_size=3)) if volumes else []
    return [
        {"volume": each["name"], "path": f"/v{at}", "read_only": draw(st.booleans())}
        for at, each in enumerate(names)
    ]


@st.composite
def _offered(draw, targets):
    chosen = draw(st.lists(st.sampled_from(targets), max_size=3, unique=True)) if targets else []
    renamed = draw(st.booleans())
    return [
        {"name": f"s{at}" if renamed else name, "port": draw(numbers), "target": name}
        for at, name in enumerate(chosen)
    ]


def _through_a_browser(fields):
    """What comes back of a page with these fields: every line end as two characters."""
    sent = {name: text.replace("\n", "\r\n") for name, text in fields.flat().items()}
    return posted(sent, fields.rest)


@given(documents())
def test_a_release_comes_back_from_its_fields_as_it_was(document):
    spec = parse(document)
    assert can_show(spec)
    made = written(_through_a_browser(fields_of(spec)))
    assert made.problems == []
    assert as_json(parse(made.document)) == as_json(spec)


@given(documents())
def test_more_empty_rows_change_nothing(document):
    fields = fields_of(parse(document))
    more = fields
    for group in ROWS:
        more = more.with_row(group)
    assert written(more).document == written(fields).document


@given(st.dictionaries(st.sampled_from(sorted(fields_of(parse(web_spec())).flat())), texts))
def test_whatever_is_typed_is_read_or_refused_at_a_field_there_is(typed):
    fields = fields_of(parse(web_spec()))
    sent = posted({**fields.flat(), **typed}, {})
    made = written(sent)
    try:
        parse(made.document)
    except SpecInvalid as refused:
        for problem in refused.problems:
            assert made.field_of(problem.path) in sent.flat()
    for problem in made.problems:
        assert problem.path in sent.flat()


def test_the_ordinary_case_leaves_nothing_beside_the_fields():
    document = web_spec(
        configuration={"environment": True, "path": "/etc/app"}, volumes=[{"name": "cache", "size": "1Gi"}]
    )
    document["containers"][0]["mounts"] = [{"volume": "cache", "path": "/cache"}]
    fields = fields_of(parse(document))
    assert fields.rest == {}
    assert fields.rows["ports"] == [{"name": "http", "port": "8080", "protocol": "TCP", "service": "80"}]
    assert fields.rows["volumes"][0]["path"] == "/cache"


def test_what_no_field_can_show_is_kept_apart():
    document = web_spec(service={"ports": [{"name": "public", "port": 80, "target": "http"}]})
    document["containers"].append({"name": "beside", "image": "proxy:1"})
    fields = fields_of(parse(document))
    assert set(fields.rest) == {"containers", "service"}
    assert fields.rows["ports"][0]["service"] == ""


def test_a_carriage_return_cannot_be_shown():
    document = web_spec()
    document["containers"][0]["environment"] = {"A": "one\rtwo"}
    assert not can_show(parse(document))


def _typed(**changed):
    fields = fields_of(parse(web_spec()))
    rows = {group: [dict(row) for row in rows] for group, rows in fields.rows.items()}
    single = dict(fields.single)
    for name, value in changed.items():
        if name in rows:
            rows[name] = [{**blank_row(name), **row} for row in value]
        else:
            single[name.replace("__", "-")] = value
    return written(Fields(single, rows))


HTTP = {"name": "http", "port": "8080"}


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ({"image": "Not An Image"}, "image"),
        ({"container": ""}, "container"),
        ({"cpu_request": "lots"}, "cpu_request"),
        ({"memory_limit": "lots"}, "memory_limit"),
        ({"grace": "soon"}, "grace"),
        ({"least": "5", "most": "2"}, "most"),
        ({"config_path": "etc"}, "config_path"),
        ({"headless": "on", "ports": [HTTP]}, "headless"),
        ({"readiness__type": "exec"}, "readiness-command"),
        ({"liveness__type": "http", "liveness__port": "0"}, "liveness-port"),
        ({"liveness__type": "tcp", "ports": []}, "liveness-port"),
        ({"startup__type": "grpc", "startup__period": "0"}, "startup-period"),
        # The empty row before it counts on the page, not in the release.
        ({"ports": [{}, {"name": "http", "port": "x"}]}, "ports-1-port"),
        ({"ports": [HTTP, {"name": "http", "port": "81"}]}, "ports-1-name"),
        ({"ports": [HTTP | {"service": "0"}]}, "ports-0-service"),
        ({"variables": [{"name": "1A", "value": "x"}]}, "variables-0-name"),
        ({"variables": [{"name": "A.B-" + "c" * 300, "value": "x"}]}, "variables-0-name"),
        ({"variables": [{}, {"name": "", "value": "x"}]}, "variables-1-name"),
        ({"volumes": [{"name": "data", "path": ""}]}, "volumes-0-path"),
        ({"volumes": [{}, {"name": "D", "path": "/d"}]}, "volumes-1-name"),
        (
            {"kind": "StatefulSet", "volumes": [{"name": "d", "type": "claim", "path": "/d"}]},
            "volumes-0-size",
        ),
        ({"volumes": [{"name": "d", "type": "claim", "size": "1Gi", "path": "/d"}]}, "kind"),
    ],
)
def test_a_problem_leads_to_its_field(typed, at):
    made = _typed(**typed)
    with pytest.raises(SpecInvalid) as refused:
        parse(made.document)
    assert at in {made.field_of(each.path) for each in refused.value.problems}


def test_a_quote_left_open_and_a_variable_twice_are_refused_before_the_document():
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    made = _typed(command="sh -c 'exec", variables=twice)
    assert [each.path for each in made.problems] == ["command", "variables-1-name"]


def test_a_probe_without_a_port_asks_the_first_one():
    made = _typed(readiness__type="http", readiness__port="")
    assert parse(made.document).main.probes["readiness"].port == 8080


def test_a_command_is_read_as_a_shell_would():
    assert _typed(command="sh -c 'exec web --port 8080'").document["containers"][0]["command"] == [
        "sh",
        "-c",
        "exec web --port 8080",
    ]


def test_rows_are_added_and_taken_away_up_to_what_there_may_be():
    fields = fields_of(parse(web_spec()))
    assert fields.without_row("ports", 0).rows["ports"] == []
    assert fields.without_row("ports", 7) == fields
    for _time in range(MOST_ROWS["ports"] + 2):
        fields = fields.with_row("ports")
    assert len(fields.rows["ports"]) == MOST_ROWS["ports"]


@pytest.mark.parametrize("count", ["", "-1", "x", "٣", "99999", "1e3"])
def test_a_count_of_rows_that_is_none_is_none(count):
    assert posted({"ports-rows": count}, {}).rows["ports"] == []
