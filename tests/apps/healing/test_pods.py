"""What the ladder reads from pods."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.healing.pods import LATE, looping, stuck

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def pod(reason="Error", count=4, waiting="CrashLoopBackOff", **metadata):
    container = {
        "name": "web",
        "ready": False,
        "restartCount": count,
        "state": {"waiting": {"reason": waiting}},
        "lastState": {"terminated": {"reason": reason, "exitCode": 137}},
    }
    return {
        "metadata": {"name": "web-1", "uid": "u", **metadata},
        "spec": {"nodeName": "w1"},
        "status": {"containerStatuses": [container]},
    }


def leaving(seconds, **metadata):
    return pod(deletionTimestamp=(NOW - timedelta(seconds=seconds)).isoformat(), **metadata)


def test_a_container_that_starts_again_and_again():
    found = looping([pod(), pod("OOMKilled", count=2)])
    assert (found.names, found.oom, found.restarts) == (("web",), True, 4)
    assert found.evidence == "web-1: Error, exit code 137"


def test_one_that_waits_for_its_image_or_is_on_its_way_out_does_not_loop():
    assert looping([pod(waiting="ImagePullBackOff"), leaving(1)]).names == ()


def test_a_pod_is_stuck_well_after_its_time_and_what_keeps_it_is_named():
    late = LATE.total_seconds()
    assert [each.name for each in stuck([leaving(late + 1)], NOW)] == ["web-1"]
    assert stuck([leaving(late - 1), pod()], NOW) == []
    (held,) = stuck([leaving(late + 1, finalizers=["a/b"])], NOW)
    assert (held.finalizers, held.ended) == (("a/b",), False)


containers = [{"containerStatuses": 3}, {"containerStatuses": [3, {"state": []}]}]
odd = st.sampled_from([None, 3, "x", [], [3], {}, *containers])


@given(st.fixed_dictionaries({"metadata": odd, "status": odd, "spec": odd}))
def test_nonsense_is_read_as_nothing(pod):
    assert stuck([pod], NOW) == []
    assert looping([pod]).restarts == 0
