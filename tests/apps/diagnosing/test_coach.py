"""The probe coach: each weakness of a release's health checks is found, and good ones are left alone."""

import pytest

from apps.diagnosing.coach import Observed, advise, observe
from apps.diagnosing.facts import Facts


def http(path="/healthz", port=8080, **values):
    return {"type": "http", "path": path, "port": port, "period": 10, "timeout": 1, "failures": 3, **values}


def spec(**probes):
    main = {"name": "web", "ports": [{"name": "http", "port": 8080}], "probes": probes}
    return {"containers": [main], "service": {"ports": [{"name": "http", "port": 80, "target": "http"}]}}


GOOD = {"startup": http(failures=30), "readiness": http("/ready"), "liveness": http("/alive")}


def codes(value, observed=None):
    return [each.code for each in advise(value, observed)]


def test_good_checks_are_left_alone():
    assert codes(spec(**GOOD)) == []


@pytest.mark.parametrize(
    ("probes", "code"),
    [
        ({"readiness": http("/ready"), "liveness": http()}, "no_startup_probe"),
        ({**GOOD, "liveness": http("/ready", period=20)}, "liveness_copies_readiness"),
        ({"startup": http(), "liveness": http()}, "no_readiness_probe"),
        ({**GOOD, "readiness": http(port=9090)}, "probe_port_undeclared"),
        ({**GOOD, "liveness": {"type": "exec", "command": ["/check"], "period": 5}}, "exec_probe_often"),
    ],
)
def test_each_weakness_is_found(probes, code):
    assert codes(spec(**probes)) == [code]


def test_no_readiness_is_needed_where_no_requests_come():
    assert codes({**spec(), "service": None}) == []


def test_a_time_out_shorter_than_answers_is_found_where_it_was_seen():
    assert codes(spec(**GOOD), Observed(late=frozenset({("web", "readiness")}))) == [
        "readiness_timeout_short"
    ]
    assert codes(spec(**GOOD), Observed(late=frozenset({("other", "readiness")}))) == []


def test_liveness_that_gives_up_before_a_start_seen_is_too_eager():
    eager = {"readiness": http("/ready"), "liveness": http("/alive", period=2)}
    assert "liveness_too_eager" in codes(spec(**eager), Observed(starts={"web": 7}))
    assert "liveness_too_eager" not in codes(spec(**eager), Observed(starts={"web": 6}))
    assert codes(spec(**GOOD), Observed(starts={"web": 700})) == []


def test_starts_and_late_answers_are_read_off_pods():
    pod = {
        "metadata": {"name": "web-1", "uid": "u"},
        "spec": {"containers": [{"name": "web"}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-28T02:00:42Z"}],
            "containerStatuses": [
                {"name": "web", "state": {"running": {"startedAt": "2026-11-28T02:00:02Z"}}}
            ],
        },
    }
    event = {
        "involvedObject": {"name": "web-1", "uid": "u", "fieldPath": "spec.containers{web}"},
        "reason": "Unhealthy",
        "message": 'Readiness probe failed: command timed out: "/check" timed out after 1s',
    }
    assert observe(Facts(pods=[pod], events=[event])) == Observed(
        {"web": 40}, frozenset({("web", "readiness")})
    )


def test_advice_names_the_check_in_the_release():
    (found,) = advise(spec(**{**GOOD, "readiness": http(port=9090)}))
    assert found.path == "containers.0.probes.readiness"
    assert "9090" in found.message
