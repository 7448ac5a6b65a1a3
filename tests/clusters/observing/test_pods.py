"""Pods of applications: what is read of them, and which applications changed."""

import json

import msgspec
import pytest

from clusters.observing.pods import PodMirror, event_in, pods_in
from tests.clusters.pod_objects import event_line, pod_list, raw_pod, seen


def test_a_pod_is_read_with_the_fields_that_pages_show():
    (pod,) = seen(raw_pod(restarts=2, config="7", release="3"))
    row = pod.as_row()
    assert pod.key == ("retail-dev", "web")
    assert (row["node"], row["release"], row["config"], row["restarts"], row["ready"]) == (
        "w1",
        "3",
        "7",
        2,
        True,
    )
    assert row["reason"] == ""
    assert json.dumps(row)


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (raw_pod(ready=False, waiting="ImagePullBackOff"), "ImagePullBackOff"),
        (raw_pod(ready=False, waiting="ContainerCreating"), ""),
        (
            raw_pod(
                phase="Pending",
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "cpu"}
                ],
            ),
            "Unschedulable",
        ),
        (raw_pod(phase="Failed", ready=False), "Failed"),
    ],
)
def test_what_is_wrong_with_a_pod_has_kubernetes_own_word(pod, reason):
    (found,) = seen(pod)
    assert found.trouble[0] == reason


def test_a_crash_loop_tells_what_it_died_of():
    (pod,) = seen(raw_pod(ready=False, waiting="CrashLoopBackOff", last="OOMKilled"))
    assert pod.trouble == ("CrashLoopBackOff", "OOMKilled why")


def test_one_strange_pod_hides_no_others():
    strange = raw_pod("odd") | {"status": {"phase": 7}}
    assert [pod.metadata.name for pod in seen(strange, raw_pod("web-2"))] == ["web-2"]


def test_what_is_no_list_is_refused():
    with pytest.raises(msgspec.DecodeError):
        pods_in(b"<html>")
    assert event_in(b"<html>") is None


@pytest.mark.parametrize("missing", ["metadata", "spec", "status"])
def test_a_pod_without_a_part_is_still_read(missing):
    pod = raw_pod()
    del pod[missing]
    (found,) = seen(pod)
    assert found.as_row()


def filled(*pods):
    mirror = PodMirror()
    mirror.replace(seen(*pods))
    mirror.changes()
    return mirror


def test_a_list_tells_of_every_application_once():
    mirror = PodMirror()
    mirror.replace(seen(raw_pod("a", "web"), raw_pod("b", "web"), raw_pod("c", "api")))
    assert mirror.changes() == [("retail-dev", "api"), ("retail-dev", "web")]
    assert mirror.changes() == []
    assert len(mirror) == 3


def test_the_same_list_again_tells_of_nothing():
    mirror = filled(raw_pod("a"))
    mirror.replace(seen(raw_pod("a")))
    assert mirror.changes() == []


def test_an_application_whose_pods_are_gone_is_told_of():
    mirror = filled(raw_pod("a", "web"), raw_pod("c", "api"))
    mirror.replace(seen(raw_pod("c", "api")))
    assert mirror.changes() == [("retail-dev", "web")]
    assert mirror.of("retail-dev", "web") == []


def test_events_change_one_application_each():
    mirror = filled(raw_pod("a", "web"), raw_pod("c", "api"))
    mirror.take(event_in(event_line("MODIFIED", raw_pod("a", "web", ready=False))))
    assert mirror.changes() == [("retail-dev", "web")]
    mirror.take(event_in(event_line("DELETED", raw_pod("a", "web"))))
    assert mirror.of("retail-dev", "web") == []
    assert mirror.apps == {("retail-dev", "api")}


def test_bookmarks_and_strangers_pods_change_nothing():
    mirror = filled(raw_pod("a"))
    bookmark = {"kind": "Pod", "metadata": {"resourceVersion": "12", "creationTimestamp": None}}
    event = event_in(event_line("BOOKMARK", bookmark))
    mirror.take(event)
    assert event.object.metadata.resource_version == "12"
    mirror.take(event_in(event_line("ADDED", raw_pod("x", app=""))))
    assert mirror.changes() == []


def test_pages_of_a_list_say_where_they_go_on():
    page = pods_in(pod_list(raw_pod(), more="token"))
    assert page.metadata.continue_ == "token"
