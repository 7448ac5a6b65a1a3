"""Watches of the Kubernetes adapter: events as they come, streams of nonsense, and their end."""

import json
import threading

import pytest

from clusters.adapters import kubernetes
from clusters.errors import (
    ClusterRefused,
    ClusterUnreachable,
    WatchExpired,
)
from tests.clusters.adapters.servers import answering, status
from tests.clusters.hostile_api import HostileServer


def event(type_, **obj):
    return json.dumps({"type": type_, "object": obj}).encode()


def test_a_watch_gives_events_as_they_come():
    with HostileServer(
        lambda handler: handler.stream(event("ADDED", n=1), b"", event("BOOKMARK", n=2))
    ) as server:
        assert list(server.client().watch("/api/v1/nodes", "7")) == [
            ("ADDED", {"n": 1}),
            ("BOOKMARK", {"n": 2}),
        ]
        assert "resourceVersion=7" in server.requests[0][1]
        assert "allowWatchBookmarks=true" in server.requests[0][1]


def test_an_old_version_in_the_answer_or_in_an_event_means_list_again():
    expired = json.loads(status(410, "Expired"))
    streaming = HostileServer(lambda handler: handler.stream(event("ERROR", **expired)))
    with streaming as server, pytest.raises(WatchExpired):
        list(server.client().watch("/x", "1"))
    with answering(410, status(410, "Gone")) as server, pytest.raises(WatchExpired):
        list(server.client().watch("/x", "1"))


@pytest.mark.parametrize(
    "line", [b"garbage", b'{"type":"ADDED"}', b'{"type":"ERROR","object":{"code":"x"}}', b"[]"]
)
def test_a_stream_of_nonsense_is_an_error(line):
    streaming = HostileServer(lambda handler: handler.stream(line))
    with streaming as server, pytest.raises((ClusterUnreachable, ClusterRefused)):
        list(server.client().watch("/x"))


def test_one_event_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(kubernetes, "MAX_EVENT", 100_000)

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while not server.release.is_set():
            handler.wfile.write(b"x" * 65536)

    with HostileServer(endless) as server, pytest.raises(ClusterUnreachable) as caught:
        list(server.client().watch("/x"))
    assert "too large" in caught.value.why


def test_close_ends_a_watch_that_waits():
    begun = threading.Event()

    def silent(handler):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(event("ADDED", n=1) + b"\n")
        handler.wfile.flush()
        server.release.wait(30)

    with HostileServer(silent) as server:
        client = server.client()
        seen = []

        def read():
            for each in client.watch("/x"):
                seen.append(each)
                begun.set()

        thread = threading.Thread(target=_quietly(read), daemon=True)
        thread.start()
        assert begun.wait(10)
        client.close()
        thread.join(10)
        assert not thread.is_alive()
        assert len(seen) == 1
        with pytest.raises(ClusterUnreachable):
            client.get("/x")


def _quietly(run):
    def wrapped():
        try:
            run()
        except ClusterUnreachable:
            return

    return wrapped
