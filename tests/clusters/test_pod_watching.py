"""The watch of pods: lists page by page, follows, lists again when told, and ends cleanly."""

import queue
import threading

import pytest

from clusters import pod_watching
from clusters.errors import ClusterUnreachable, WatchExpired
from clusters.pod_watching import PodFollower
from clusters.signals import pods_changed
from clusters.watching import Watcher
from tests.clusters.fake_kubernetes import with_nodes
from tests.clusters.kube_objects import make_cluster, raw_node
from tests.clusters.pod_objects import event_line, pod_list, raw_pod
from tests.clusters.test_watching import eventually

pytestmark = pytest.mark.usefixtures("real_database")


class Pods:
    """What the follower needs of an API server: answers in turn, then lines."""

    def __init__(self, *pages):
        self.pages, self.asked, self.watched = list(pages), [], []
        self.lines = queue.Queue()
        self.closed = False

    def get_bytes(self, path, **params):
        self.asked.append(params)
        page = self.pages[0] if len(self.pages) == 1 else self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page

    def watch_lines(self, path, resource_version, timeout=300.0, **selectors):
        self.watched.append((resource_version, selectors))
        while True:
            line = self.lines.get()
            if line is None:
                return
            if isinstance(line, Exception):
                raise line
            yield line

    def close(self):
        self.closed = True
        self.lines.put(ClusterUnreachable("closed"))


@pytest.fixture
def told():
    """What receivers hear."""
    heard = []

    def hear(*, cluster_pk, pods, whole, **_more):
        names = {key: sorted(pod.metadata.name for pod in rows) for key, rows in pods.items()}
        heard.append((cluster_pk, names, whole))

    pods_changed.connect(hear, weak=False)
    yield heard
    pods_changed.disconnect(hear)


@pytest.fixture
def follow(monkeypatch):
    monkeypatch.setattr(pod_watching, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(pod_watching, "TELL_EVERY", 0.02)
    followers = []

    def start(fake):
        def connect(_cluster):
            fake.lines = queue.Queue() if fake.closed else fake.lines
            fake.closed = False
            return fake

        follower = PodFollower(make_cluster().pk, connect)
        followers.append(follower)
        follower.start()
        return follower

    yield start
    for follower in followers:
        follower.stop()
        follower.join(5.0)
        assert not follower.alive


WEB = ("retail-dev", "web")


def test_a_list_is_read_page_by_page_and_told_whole(follow, told):
    fake = Pods(pod_list(raw_pod("a"), more="next"), pod_list(raw_pod("b"), version="77"))
    follower = follow(fake)
    eventually(lambda: told)
    assert told == [(follower.cluster_pk, {WEB: ["a", "b"]}, True)]
    assert fake.asked[1]["continue"] == "next"
    eventually(lambda: fake.watched)
    assert fake.watched[0] == ("77", {"labelSelector": "kcloud.local/app"})


def test_events_are_told_by_application(follow, told):
    fake = Pods(pod_list(raw_pod("a"), raw_pod("c", "api")))
    follow(fake)
    eventually(lambda: told)
    fake.lines.put(event_line("ADDED", raw_pod("b", version="101")))
    eventually(lambda: len(told) == 2)
    assert told[1][1:] == ({WEB: ["a", "b"]}, False)


def test_a_watch_that_ends_goes_on_from_the_last_bookmark(follow, told):
    fake = Pods(pod_list(raw_pod("a")))
    follow(fake)
    fake.lines.put(event_line("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "150"}}))
    fake.lines.put(None)
    eventually(lambda: len(fake.watched) == 2)
    assert fake.watched[1][0] == "150"
    assert len(fake.asked) == 1


def test_a_version_that_expired_means_list_again(follow, told):
    fake = Pods(pod_list(raw_pod("a")), pod_list(raw_pod("a"), raw_pod("b")))
    follow(fake)
    eventually(lambda: fake.watched)
    fake.lines.put(WatchExpired("gone"))
    eventually(lambda: any(names == {WEB: ["a", "b"]} for _pk, names, _whole in told))


def test_a_silent_cluster_is_asked_again(follow, told):
    fake = Pods(ClusterUnreachable("no"), b"<html>", pod_list(raw_pod("a")))
    follow(fake)
    eventually(lambda: told)


def test_what_a_receiver_could_not_take_is_told_again_whole(follow, told):
    failing = threading.Event()

    def fails(**_told):
        if not failing.is_set():
            failing.set()
            raise RuntimeError("the database is away")

    pods_changed.connect(fails, weak=False)
    try:
        follow(Pods(pod_list(raw_pod("a"))))
        eventually(lambda: len(told) == 2)
    finally:
        pods_changed.disconnect(fails)
    assert told[0] == told[1]


def test_the_watcher_follows_pods_beside_nodes_and_ends_both():
    make_cluster("dev")
    followed = []

    def beside(pk):
        followed.append(PodFollower(pk, lambda _cluster: fake))
        return followed[-1]

    fake = Pods(pod_list())
    watcher = Watcher(connect=lambda _cluster: with_nodes(raw_node("w1")), beside=[beside])
    watcher.look()
    eventually(lambda: fake.watched)
    watcher.end()
    assert not followed[0].alive
