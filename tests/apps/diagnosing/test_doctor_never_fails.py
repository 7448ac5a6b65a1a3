"""Whatever a cluster answers, the doctor and the coach answer too, and their texts can be shown."""

from dataclasses import fields

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.diagnosing import coach, doctor
from apps.diagnosing.diagnosis import Report, per_pod, reason_of
from apps.diagnosing.facts import Facts

NAMES = [field.name for field in fields(Facts)]
WORDS = [
    "metadata", "name", "spec", "status", "containers", "containerStatuses", "state", "waiting", "reason", "message",
    "terminated", "lastState", "exitCode", "conditions", "type", "involvedObject", "labels", "selector", "ports",
    "targetPort", "nodeName", "deletionTimestamp", "finalizers", "replicas", "ready", "resources", "requests", "probes",
    "liveness", "readiness", "period", "port",
]  # fmt: skip
TEXTS = [
    "web", "main", "PodScheduled", "False", "True", "ErrImagePull", "CrashLoopBackOff", "CreateContainerConfigError",
    "OOMKilled", "StartError", "Unhealthy", "FailedCreate", "0/3 nodes are available: 1 Insufficient cpu, 9999 x.",
    "Readiness probe failed: dial tcp 1.2.3.4:5: connect: connection refused", "exceeded quota: a, requested: %s",
    "2026-11-28T02:00:00Z", "%(name)s", "100%", "lookup db on 10.96.0.10:53: no such host",
]  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(TEXTS) | st.text(max_size=8)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=40,
)


def said(report):
    for each in report.diagnoses:
        yield from (each.title_in(str), each.cause_in(str), each.remedy_in(str))


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(NAMES), anything | st.lists(anything, max_size=3)))
def test_any_json_gets_a_report_that_can_be_shown(content):
    report = doctor.diagnose(Facts.of(content))
    assert isinstance(report, Report)
    assert all(isinstance(each, str) for each in said(report))
    reason_of(report)
    per_pod(report)
    coach.observe(Facts.of(content))


def status(reason, message):
    return {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}


@settings(max_examples=200)
@given(
    st.sampled_from(["ErrImagePull", "CreateContainerConfigError", "RunContainerError", "CrashLoopBackOff"])
    | st.text(),
    st.text() | st.sampled_from(TEXTS),
    st.text(),
)
def test_any_words_of_a_node_can_be_shown(reason, message, line):
    pod = {
        "metadata": {"name": "web-1"},
        "spec": {"containers": [{"name": "main", "image": line}]},
        "status": {
            "containerStatuses": [status(reason, message)],
            "conditions": [{"type": "PodScheduled", "status": "False", "message": message}],
        },
    }
    owner = {"metadata": {"name": "web"}, "spec": {"replicas": 1}, "status": {"replicas": 0}}
    event = {"involvedObject": {"name": "web"}, "reason": "FailedCreate", "message": message}
    facts = Facts(pods=[pod], logs={"web-1/main": line}, replicasets=[owner], events=[event])
    assert list(said(doctor.diagnose(facts)))


@settings(max_examples=200)
@given(anything)
def test_any_json_gets_advice_that_can_be_shown(content):
    for problem in coach.advise(content):
        assert problem.message
        assert problem.remedy
