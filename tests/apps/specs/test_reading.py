"""What a release may say: everything good comes back the same, everything bad is told with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.errors import SpecInvalid
from apps.specs.reading import parse
from apps.specs.spec import as_json

WEB = {
    "containers": [
        {
            "name": "web",
            "image": "shop-web:1.0",
            "ports": [{"name": "http", "port": 8080}],
            "environment": {"API": "http://api"},
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            "probes": {"readiness": {"type": "http", "port": 8080, "path": "/readyz"}},
        }
    ],
    "service": {"ports": [{"name": "http", "port": 80}]},
}

names = st.from_regex(r"[a-z]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["containers", "name", "image", "ports", "probes", "kind", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def _problems(value):
    with pytest.raises(SpecInvalid) as refused:
        parse(value)
    return {each.path: each for each in refused.value.problems}


def test_a_service_port_without_a_target_leads_to_the_port_of_its_name():
    assert parse(WEB).service.ports[0].target == "http"


@given(names, names, st.integers(1, 65535), st.integers(1, 2**31 - 1))
def test_what_is_stored_is_read_back_as_the_same(name, image, port, user):
    value = {
        "containers": [{"name": name, "image": image, "ports": [{"name": "p", "port": port}]}],
        "run_as": user,
    }
    spec = parse(value)
    assert parse(as_json(spec)) == spec


@given(anything)
def test_nothing_that_is_sent_breaks_the_reader(value):
    try:
        spec = parse(value)
    except SpecInvalid:
        assert _problems(value)
        return
    assert parse(as_json(spec)) == spec


def test_every_problem_is_told_at_once_and_in_its_place():
    found = _problems(
        {"kind": "X", "containers": [{"name": "W", "ports": [{"name": "http", "port": 0}], "imge": "a"}]}
    )
    assert set(found) == {
        "kind",
        "containers.0.name",
        "containers.0.image",
        "containers.0.ports.0.port",
        "containers.0.imge",
    }
    assert all(each.message for each in found.values())


def test_a_misspelt_probe_is_refused_and_the_known_ones_are_named():
    value = {"containers": [{**WEB["containers"][0], "probes": {"readyness": {}}}]}
    problem = _problems(value)["containers.0.probes.readyness"]
    assert "readiness" in problem.remedy


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"service": {"ports": [{"name": "admin", "port": 80}]}}, "service.ports.0.target"),
        ({"volumes": [{"name": "d", "type": "claim", "size": "1Gi"}]}, "kind"),
        ({"volumes": [{"name": "d", "type": "claim"}], "kind": "StatefulSet"}, "volumes.0.size"),
        ({"volumes": [{"name": "d"}, {"name": "d"}]}, "volumes.1.name"),
        ({"run_as": 0}, "run_as"),
        ({"scaling": {"min": 5, "max": 2}}, "scaling.max"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changed, path):
    assert path in _problems({**WEB, **changed})


def test_a_mount_of_an_unknown_volume_or_outside_is_refused():
    container = {**WEB["containers"][0], "mounts": [{"volume": "v", "path": "/../etc"}]}
    assert "containers.0.mounts.0.path" in _problems({"containers": [container]})
    container["mounts"] = [{"volume": "v", "path": "/data"}]
    assert "containers.0.mounts.0.volume" in _problems({"containers": [container]})


def test_a_claim_in_a_stateful_set_is_taken():
    assert parse(
        {**WEB, "kind": "StatefulSet", "volumes": [{"name": "d", "type": "claim", "size": "1Gi"}]}
    ).keeps_data
