"""The watch process: follows, reconnects, lists again, shares with others, and ends cleanly."""

import os
import signal
import threading
import time
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from clusters import watching
from clusters.errors import ClusterUnreachable, WatchExpired
from clusters.manifests.network_policy import LEASES_PATH
from clusters.models import Cluster, Node
from clusters.watching import Watcher
from kcloud_site.operations.models import Lease
from tests.clusters.fake_kubernetes import agent_lease, with_nodes
from tests.clusters.kube_objects import make_cluster, raw_node
from tests.operations import processes

# Threads write side by side: that needs a database several connections share, as the product has it.
pytestmark = pytest.mark.usefixtures("real_database")


def eventually(condition, seconds=20):
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it never came true")


@pytest.fixture
def started():
    """Watchers that are ended with the test."""
    watchers = []

    def start(fakes, **options):
        by_name = {name: iter(each if isinstance(each, list) else [each]) for name, each in fakes.items()}
        last = {}

        def connect(cluster):
            last[cluster.name] = next(by_name[cluster.name], last.get(cluster.name))
            last[cluster.name].closed = False
            return last[cluster.name]

        watcher = Watcher(connect=connect, **options)
        watchers.append(watcher)
        return watcher

    yield start
    for watcher in watchers:
        watcher.end()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.05)


def health():
    return Cluster.objects.values_list("health", flat=True).get()


def names():
    return list(Node.objects.values_list("name", flat=True))


def test_a_running_cluster_is_listed_and_judged(started):
    make_cluster(health="unknown")
    watcher = started({"dev": with_nodes(raw_node("w1"), raw_node("w2", ready="False"))})
    watcher.look()
    eventually(lambda: health() == "degraded")
    assert names() == ["w1", "w2"]


@pytest.mark.parametrize("state", ["draft", "deploying", "failed", "resetting"])
def test_a_cluster_that_does_not_run_is_not_watched(started, state):
    make_cluster(state=state)
    watcher = started({})
    watcher.look()
    assert watcher.watched == []


def test_events_are_followed_one_by_one(started):
    make_cluster(health="unknown")
    fake = with_nodes(raw_node("w1"))
    watcher = started({"dev": fake})
    watcher.look()
    eventually(lambda: health() == "healthy")
    fake.events.put(("MODIFIED", raw_node("w1", ready="Unknown")))
    eventually(lambda: health() == "down")
    fake.events.put(("ADDED", raw_node("w2")))
    eventually(lambda: health() == "degraded")
    fake.events.put(("BOOKMARK", {"kind": "Node", "metadata": {"resourceVersion": "9"}}))
    fake.events.put(("DELETED", raw_node("w1")))
    eventually(lambda: health() == "healthy")
    assert names() == ["w2"]


def test_a_silent_policy_agent_degrades_the_cluster_until_it_speaks_again(started, monkeypatch):
    monkeypatch.setattr(watching, "WATCH_SECONDS", 0.1)
    make_cluster(health="unknown")
    fake = with_nodes(raw_node("w1"), raw_node("w2"))
    fake.objects[f"{LEASES_PATH}/w2"] = agent_lease("w2", age=600)
    started({"dev": fake}).look()
    eventually(lambda: health() == "degraded")
    assert "not kept on w2" in Cluster.objects.get().health_reason
    fake.objects[f"{LEASES_PATH}/w2"] = agent_lease("w2")
    eventually(lambda: health() == "healthy")


def test_an_imported_clusters_nodes_need_no_agent_of_ours(started):
    make_cluster(health="unknown", origin="imported")
    fake = with_nodes(raw_node("w1"))
    del fake.objects[f"{LEASES_PATH}/w1"]
    started({"dev": fake}).look()
    eventually(lambda: health() == "healthy")
    assert LEASES_PATH not in fake.asked


def test_a_watch_that_ends_goes_on_where_it_was_without_listing(started):
    make_cluster(health="unknown")
    fake = with_nodes(raw_node("w1"))
    started({"dev": fake}).look()
    fake.events.put(("BOOKMARK", {"metadata": {"resourceVersion": "555"}}))
    fake.events.put(None)
    eventually(lambda: fake.watched_from == ["100", "555"])
    assert fake.asked.count("/version") == 1


def test_an_expired_version_means_list_again(started):
    make_cluster(health="unknown")
    first, second = with_nodes(raw_node("w1")), with_nodes(raw_node("w2"))
    started({"dev": [first, second]}).look()
    eventually(lambda: names() == ["w1"])
    first.events.put(WatchExpired("gone", status=410))
    eventually(lambda: names() == ["w2"])
    assert health() == "healthy"


def test_one_broken_connection_is_no_fault_and_two_silences_are(started):
    make_cluster(health="unknown")
    fake = with_nodes(raw_node("w1"))
    started({"dev": fake}).look()
    eventually(lambda: health() == "healthy")
    fake.down = ClusterUnreachable("The cluster's API server does not answer.", "connection refused")
    fake.events.put(ClusterUnreachable("broke off"))
    eventually(lambda: health() == "down")
    assert "connection refused" in Cluster.objects.get().health_reason
    fake.down = None
    eventually(lambda: health() == "healthy")
    assert Cluster.objects.get().health_reason == ""


def test_a_stumble_nobody_thought_of_does_not_end_the_watch(started):
    make_cluster(health="unknown")
    fake = with_nodes(raw_node("w1"))
    started({"dev": fake}).look()
    eventually(lambda: health() == "healthy")
    fake.events.put(ZeroDivisionError("nobody thought of it"))
    eventually(lambda: fake.asked.count("/version") == 2)


def test_a_new_cluster_is_noticed_and_a_reset_one_is_dropped(started):
    watcher = started({"dev": with_nodes(raw_node("w1"))})
    watcher.look()
    assert watcher.watched == []
    cluster = make_cluster(health="unknown")
    watcher.look()
    assert watcher.watched == [cluster.pk]
    Cluster.objects.update(state="resetting")
    watcher.look()
    assert watcher.watched == []
    assert Lease.objects.get(name=f"watch:{cluster.pk}").owner == ""


def test_two_watchers_share_the_clusters(started):
    fakes = {}
    for number in range(4):
        fakes[f"c{number}"] = with_nodes(raw_node("w1"))
        make_cluster(f"c{number}")
    first, second = started(fakes), started(fakes)
    for _turn in range(4):
        first.look()
        second.look()
    assert len(first.watched) == len(second.watched) == 2
    assert not set(first.watched) & set(second.watched)


def test_a_dead_watchers_cluster_is_taken_over_when_its_lease_ends(started):
    cluster = make_cluster(health="unknown")
    fakes = {"dev": with_nodes(raw_node("w1"))}
    first = started(fakes, lease=timedelta(seconds=0.3))
    first.look()  # and never again: as if it were dead
    second = started({"dev": with_nodes(raw_node("w2"))})
    second.look()
    assert second.watched == []

    def taken():
        second.look()
        return second.watched == [cluster.pk]

    eventually(taken)
    eventually(lambda: names() == ["w2"])
    first.look()
    assert first.watched == []


def test_ending_cuts_the_streams_and_gives_the_leases_back(started):
    cluster = make_cluster(health="unknown")
    fake = with_nodes(raw_node("w1"))
    watcher = started({"dev": fake})
    stop = threading.Event()
    thread = threading.Thread(target=_run, args=(watcher, stop), daemon=True)
    thread.start()
    eventually(lambda: health() == "healthy")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert fake.closed
    lease = Lease.objects.get(name=f"watch:{cluster.pk}")
    assert (lease.owner, lease.until) == ("", None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_cleanly_when_told_to(number):
    """With a cluster nobody answers for: it waits, tries again, and still ends at once."""
    cluster = make_cluster(health="unknown", endpoints=[])
    pid = processes.fork(lambda: call_command("watch"))
    eventually(lambda: Lease.objects.filter(name=f"watch:{cluster.pk}").exclude(owner="").exists())
    os.kill(pid, number)
    assert processes.wait(pid) == 0
    assert Lease.objects.get(name=f"watch:{cluster.pk}").owner == ""


def test_a_killed_watchers_cluster_is_taken_over(started):
    cluster = make_cluster(health="unknown")
    pid = processes.fork(lambda: Watcher(connect=_never, lease=timedelta(seconds=0.5)).run(threading.Event()))
    eventually(lambda: Lease.objects.filter(name=f"watch:{cluster.pk}").exclude(owner="").exists())
    processes.kill(pid)
    heir = started({"dev": with_nodes(raw_node("w1"))})

    def taken():
        heir.look()
        return heir.watched == [cluster.pk]

    eventually(taken)
    eventually(lambda: health() == "healthy")


def _never(_cluster):
    raise ClusterUnreachable("never")


def _run(watcher, stop):
    try:
        watcher.run(stop)
    finally:
        connection.close()


@pytest.mark.lab
def test_real_nodes_are_followed_through_a_real_api_server(control_plane, started):
    client = control_plane.client()
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "watched", "labels": {"rack": "r1"}}}
    client.apply(node)
    make_cluster(health="unknown")
    watcher = Watcher(connect=lambda _cluster: control_plane.client())
    try:
        watcher.look()
        eventually(lambda: "watched" in names())
        client.apply(node | {"metadata": {"name": "watched", "labels": {"rack": "r2"}}})
        eventually(lambda: Node.objects.get(name="watched").status["labels"]["rack"] == "r2")
        assert Node.objects.get(name="watched").ready == "Unknown"
        client.delete("/api/v1/nodes/watched")
        eventually(lambda: "watched" not in names())
    finally:
        watcher.end()


@pytest.mark.lab
def test_a_frozen_api_server_is_down_and_up_again_when_it_thaws(control_plane, monkeypatch):
    """Half-open: the connection stays, nobody answers. Only a time limit tells."""
    monkeypatch.setattr(watching, "WATCH_SECONDS", 1.0)
    control_plane.client().apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "frozen"}})
    make_cluster(health="unknown")
    watcher = Watcher(connect=lambda _cluster: control_plane.client(timeout=1.0))
    try:
        watcher.look()
        eventually(lambda: "frozen" in names())
        control_plane.process.send_signal(signal.SIGSTOP)
        eventually(lambda: "does not answer" in Cluster.objects.get().health_reason, seconds=40)
        assert health() == "down"
        control_plane.process.send_signal(signal.SIGCONT)
        eventually(lambda: "does not answer" not in Cluster.objects.get().health_reason)
    finally:
        control_plane.process.send_signal(signal.SIGCONT)
        watcher.end()
        control_plane.client().delete("/api/v1/nodes/frozen")
