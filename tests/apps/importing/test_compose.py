"""What becomes of a Compose file: taken, changed, ignored or refused, and never dropped in silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.errors import SpecInvalid
from apps.importing import compose
from apps.importing.compose_values import amount, filled, seconds, short_name
from apps.importing.documents import load_all
from apps.importing.outcome import CHANGED, IGNORED, REFUSED
from apps.specs.reading import parse

SHOP = """
x-common: &common
  restart: always
services:
  web:
    <<: *common
    image: shop-web:${TAG:-1.0}
    ports: ["8080:80", "9000"]
    environment:
      API: http://api:8000
      DEBUG: false
    depends_on: [api]
    deploy: {replicas: 3, resources: {limits: {cpus: "0.5", memory: 128M}}}
    healthcheck: {test: ["CMD", "curl", "-f", "localhost"], interval: 10s, timeout: 3s, start_period: 1m}
  db:
    image: postgres:15
    user: "999"
    volumes: ["data:/var/lib/postgresql"]
    environment: ["POSTGRES_DB=shop", "POSTGRES_PASSWORD"]
volumes: {data: {}}
"""


def _read(text):
    found = compose.read(load_all(text)[0])
    return {each.name: each for each in found.candidates}


def _notes(candidate):
    return {note.path: note.level for note in candidate.notes}


def test_a_shop_becomes_one_application_for_each_service():
    found = _read(SHOP)
    web = parse(found["web"].spec)
    assert (web.main.image, found["web"].replicas) == ("shop-web:1.0", 3)
    assert [port.port for port in web.main.ports] == [80, 9000]
    assert web.main.environment == {"API": "http://api:8000", "DEBUG": "false"}
    assert web.main.resources.limits == {"cpu": "500m", "memory": "128Mi"}
    assert web.main.probes["readiness"].command == ("curl", "-f", "localhost")
    assert web.main.probes["startup"].failures == 9
    database = parse(found["db"].spec)
    assert (database.kind, database.run_as, database.keeps_data) == ("StatefulSet", 999, True)


def test_every_key_without_a_counterpart_is_told():
    levels = _notes(_read(SHOP)["web"])
    assert levels["services.web.restart"] == IGNORED
    assert levels["services.web.depends_on"] == IGNORED
    assert levels["services.web.ports.0"] == CHANGED


@pytest.mark.parametrize(
    "line",
    [
        "privileged: true",
        "cap_add: [NET_ADMIN]",
        "network_mode: host",
        "volumes: ['/etc:/etc']",
        "pid: host",
        'command: "\'"',
        "ports: ['x']",
    ],
)
def test_what_must_not_run_here_is_refused(line):
    (found,) = _read(f"services:\n  web:\n    image: a:1\n    {line}\n").values()
    assert found.is_refused


def test_a_service_that_is_only_built_is_refused_with_the_remedy():
    (found,) = _read("services:\n  web:\n    build: .\n").values()
    assert found.is_refused


@pytest.mark.parametrize("text", ["services: []", "{}", "services: {}"])
def test_a_file_without_services_says_so(text):
    found = compose.read(load_all(text)[0])
    assert [note.level for note in found.notes] == [REFUSED]


def test_aliases_that_unfold_without_end_are_refused():
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 8)
    )
    with pytest.raises(SpecInvalid):
        load_all(bomb)


@pytest.mark.parametrize("text", ["a: !!python/object:os.system x", "{", "a: *b", "\x00"])
def test_what_is_no_plain_yaml_is_refused(text):
    with pytest.raises(SpecInvalid):
        load_all(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
keys = st.sampled_from(
    ["image", "command", "ports", "volumes", "environment", "deploy", "healthcheck", "user", "tmpfs"]
)


@given(st.dictionaries(keys, anything, max_size=6))
def test_no_service_breaks_the_reader(service):
    found = compose.read({"services": {"web": service}})
    assert found.candidates[0].name == "web"


def test_values_are_read_as_compose_means_them():
    assert filled("$$x ${A:-b} ${C} $D ${E:?no}") == ("$x b   ", ["C", "D", "E"])
    assert [seconds(each, 7) for each in ("1m30s", "2h", "500ms", "x", None)] == [90, 7200, 1, 7, 7]
    assert [amount("memory", each) for each in ("512M", "1g", "100k", "x", "0")] == [
        "512Mi",
        "1024Mi",
        "102400",
        "",
        "",
    ]
    assert [amount("cpu", each) for each in ("0.25", 2, "x")] == ["250m", "2000m", ""]
    assert [short_name(each) for each in ("My_App", "9lives", "ok")] == ["my-app", "app-9lives", "ok"]
