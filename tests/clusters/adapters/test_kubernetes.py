"""The Kubernetes adapter against servers that redirect, hang, flood, lie and break off."""

import inspect
import json
import os
import socket
import threading

import pytest

from clusters.adapters import kubernetes
from clusters.adapters.answers import path_of
from clusters.errors import (
    AddressRefused,
    ClusterRefused,
    ClusterUnreachable,
    ResourceConflict,
    ResourceNotFound,
    WatchExpired,
)
from kcloud_site.outbound import connections as outbound
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.control_plane import free_port
from tests.clusters.fake_kubernetes import FakeKubernetes
from tests.clusters.hostile_api import HostileServer
from tests.clusters.kube_certificates import Authority, authority, client


def status(code, reason="", message="", **details):
    return json.dumps(
        {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    ).encode()


def answering(code, body=b"{}", **headers):
    return HostileServer(lambda handler: handler.reply(code, body, **headers))


def client_at(*urls, timeout=5.0):
    sign_in = kubernetes.SignIn(authority().certificate, client().certificate, client().key)
    return kubernetes.KubernetesClient(urls, sign_in, AddressRule(allow_internal=True), timeout=timeout)


# --- what an honest answer becomes ---------------------------------------------------------------


def test_an_object_is_read_as_it_is():
    with answering(200, b'{"kind": "Event", "eventTime": null}') as server:
        assert server.client().get("/x", a=1) == {"kind": "Event", "eventTime": None}
        assert server.requests[0][1] == "/x?a=1"


def test_a_token_travels_in_the_header_and_a_certificate_does_not_need_one():
    with answering(200) as server:
        server.client(token="abc").get("/x")
        server.client().get("/x")
        assert server.requests[0][2]["authorization"] == "Bearer abc"
        assert "authorization" not in server.requests[1][2]


def test_a_list_is_read_page_by_page():
    pages = {"": {"metadata": {"continue": "2"}, "items": [{"n": 1}]}, "2": {"items": [{"n": 2}]}}

    def answer(handler):
        page = "2" if "continue=2" in handler.path else ""
        handler.reply(200, json.dumps(pages[page]).encode())

    with HostileServer(answer) as server:
        assert server.client().list("/api/v1/pods") == [{"n": 1}, {"n": 2}]


def test_apply_is_server_side_with_our_name_and_label_and_leaves_the_argument_alone():
    wanted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "b"}}
    with answering(200) as server:
        server.client().apply(wanted, force=False)
        method, path, headers, body = server.requests[0]
    assert method == "PATCH"
    assert path == "/api/v1/namespaces/b/configmaps/a?fieldManager=kcloud&force=false"
    assert headers["Content-Type"] == "application/apply-patch+yaml"
    assert json.loads(body)["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "kcloud"}
    assert "labels" not in wanted["metadata"]


def test_a_patch_is_a_merge_patch_with_our_name():
    with answering(200) as server:
        server.client().patch("/api/v1/nodes/n", {"spec": {"taints": []}})
        method, path, headers, body = server.requests[0]
    assert (method, path) == ("PATCH", "/api/v1/nodes/n?fieldManager=kcloud")
    assert headers["Content-Type"] == "application/merge-patch+json"
    assert json.loads(body) == {"spec": {"taints": []}}


@pytest.mark.parametrize(
    ("version", "kind", "namespace", "path"),
    [
        ("v1", "Node", None, "/api/v1/nodes/n"),
        ("v1", "Pod", "a", "/api/v1/namespaces/a/pods/n"),
        ("apps/v1", "Deployment", None, "/apis/apps/v1/namespaces/default/deployments/n"),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "a",
            "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/n",
        ),
        (
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            None,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/n",
        ),
        ("v1", "Secret", "../..", "/api/v1/namespaces/..%2F../secrets/n"),
    ],
)
def test_an_objects_path_follows_from_its_kind(version, kind, namespace, path):
    metadata = {"name": "n"} | ({"namespace": namespace} if namespace else {})
    assert path_of({"apiVersion": version, "kind": kind, "metadata": metadata}) == path


def test_deleting_what_is_gone_is_what_was_wanted():
    with answering(404, status(404, "NotFound")) as server:
        assert server.client().delete("/api/v1/nodes/a") is None
        assert server.requests[0][0] == "DELETE"


def test_a_pod_can_be_deleted_without_waiting_for_its_end_and_only_that_very_one():
    with answering(200, {}) as server:
        server.client().delete("/api/v1/namespaces/a/pods/b", uid="u1", grace=0)
    sent = json.loads(server.requests[0][3])
    assert sent == {"preconditions": {"uid": "u1"}, "gracePeriodSeconds": 0}


# --- what a "no" becomes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "BadRequest", ClusterRefused),
        (401, "Unauthorized", ClusterRefused),
        (403, "Forbidden", ClusterRefused),
        (404, "NotFound", ResourceNotFound),
        (409, "Conflict", ResourceConflict),
        (410, "Expired", WatchExpired),
        (422, "Invalid", ClusterRefused),
        (500, "InternalError", ClusterRefused),
        (503, "ServiceUnavailable", ClusterRefused),
    ],
)
def test_a_status_becomes_an_error_with_reason_and_remedy(code, reason, error):
    with answering(code, status(code, reason, "because of this")) as server, pytest.raises(error) as caught:
        server.client().get("/x")
    assert type(caught.value) is error
    assert caught.value.status == code
    assert caught.value.reason == reason
    assert caught.value.why == "because of this"
    assert caught.value.remedy


def test_a_conflict_names_the_fields_others_own():
    body = status(
        409, "Conflict", "conflict", causes=[{"field": ".spec.replicas"}, {"field": ".spec.x"}, "odd"]
    )
    with answering(409, body) as server, pytest.raises(ResourceConflict) as caught:
        server.client().apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}, force=False)
    assert caught.value.fields == (".spec.replicas", ".spec.x")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(code):
    with answering(200) as other, answering(code, Location="set below") as server:
        server.answer = lambda handler: handler.reply(code, Location=f"{other.url}/stolen")
        with pytest.raises(ClusterRefused) as caught:
            server.client(token="secret").get("/x")
        assert other.requests == []
    assert caught.value.status == code
    assert "redirect" in caught.value.remedy.lower()


def test_a_busy_server_is_asked_again_and_then_answers():
    with HostileServer(None) as server:
        server.answer = lambda handler: handler.reply(
            429 if len(server.requests) < 3 else 200, b"{}", Retry_After="0"
        )
        assert server.client().get("/x") == {}
        assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_not_asked_for_ever():
    with answering(429, status(429, "TooManyRequests"), Retry_After="0") as server:
        with pytest.raises(ClusterRefused) as caught:
            server.client().get("/x")
        assert len(server.requests) == kubernetes.BUSY_TRIES
    assert caught.value.status == 429


def test_a_server_that_says_come_back_next_year_is_not_waited_for():
    with answering(429, Retry_After="31536000") as server, pytest.raises(ClusterRefused):
        server.client(timeout=1.0).get("/x")


def test_not_ready_is_an_answer_and_not_an_error():
    with answering(500, b"[-]etcd failed") as server:
        assert server.client().readyz() is False
    with answering(200, b"ok") as server:
        assert server.client().readyz() is True


# --- servers that do not behave ------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff\xfe", b'{"a":', b"null", b"[" * 100_000])
def test_garbage_is_no_api_server(body):
    with answering(200, body) as server, pytest.raises(ClusterUnreachable) as caught:
        server.client().get("/x")
    assert "not a Kubernetes API server" in caught.value.what


def test_garbage_with_an_error_status_is_still_an_error_with_its_text():
    with answering(502, b"<html>Bad Gateway \xff") as server, pytest.raises(ClusterRefused) as caught:
        server.client().get("/x")
    assert "Bad Gateway" in caught.value.why


def test_a_flood_is_cut_at_the_limit(monkeypatch):
    monkeypatch.setattr(kubernetes, "MAX_ANSWER", 1024 * 1024)

    def flood(handler):
        handler.send_response(200)
        handler.end_headers()
        while not server.release.is_set():
            handler.wfile.write(b"x" * 65536)

    with HostileServer(flood) as server, pytest.raises(ClusterUnreachable) as caught:
        server.client().get("/x")
    assert "larger than 1 MiB" in caught.value.why


def test_a_compressed_bomb_is_not_unpacked():
    with answering(200, b"\x1f\x8b" + b"\0" * 50, Content_Encoding="gzip") as server:
        with pytest.raises(ClusterUnreachable):
            server.client().get("/x")
        assert (
            "Accept-Encoding" not in server.requests[0][2]
            or server.requests[0][2]["Accept-Encoding"] == "identity"
        )


def test_a_server_that_hangs_is_given_up():
    with (
        HostileServer(lambda _handler: server.release.wait(30)) as server,
        pytest.raises(ClusterUnreachable) as caught,
    ):
        server.client(timeout=0.3).get("/x")
    assert "no answer in time" in caught.value.why


def test_a_server_that_drips_is_given_up_although_each_byte_is_in_time():
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not server.release.wait(0.02):
            handler.wfile.write(b" ")

    with HostileServer(drip) as server, pytest.raises(ClusterUnreachable) as caught:
        server.client(timeout=0.5).get("/x")
    assert "did not end in time" in caught.value.why


def test_a_server_that_breaks_off_in_the_middle_gives_no_half_answer():
    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b'{"half":')
        handler.close_connection = True

    with HostileServer(half) as server, pytest.raises(ClusterUnreachable):
        server.client().get("/x")


def test_a_port_that_accepts_and_says_nothing_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = client_at(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)
        with pytest.raises(ClusterUnreachable):
            client.get("/x")


def test_another_authoritys_certificate_is_refused():
    stranger = Authority("stranger").sign("api")
    with HostileServer(lambda handler: handler.reply(200, b"{}"), stranger) as server:
        with pytest.raises(ClusterUnreachable) as caught:
            server.client().get("/x")
        assert server.requests == []
    assert "certificate" in caught.value.why.lower()


def test_a_certificate_for_another_name_is_refused():
    other = authority().sign("api", addresses=("203.0.113.1",), names=("elsewhere.example",))
    with (
        HostileServer(lambda handler: handler.reply(200, b"{}"), other) as server,
        pytest.raises(ClusterUnreachable),
    ):
        server.client().get("/x")


def test_certificates_that_do_not_load_are_an_error_with_a_remedy():
    sign_in = kubernetes.SignIn(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ClusterUnreachable) as caught:
        kubernetes.KubernetesClient(["https://203.0.113.1"], sign_in)
    assert caught.value.remedy


# --- several endpoints ---------------------------------------------------------------------------


def test_the_next_endpoint_is_tried_and_then_preferred():
    with answering(200) as server:
        client = server.client(f"https://127.0.0.1:{free_port()}")
        assert client.get("/a") == {}
        assert client._order()[0] == 1
        assert client.get("/b") == {}


def test_when_no_endpoint_answers_each_is_named_with_its_reason():
    first, second = free_port(), free_port()
    client = client_at(f"https://127.0.0.1:{first}", f"https://127.0.0.1:{second}")
    with pytest.raises(ClusterUnreachable) as caught:
        client.get("/x")
    assert str(first) in caught.value.why
    assert str(second) in caught.value.why


def test_a_cluster_without_addresses_is_unreachable_and_says_why():
    with pytest.raises(ClusterUnreachable) as caught:
        kubernetes.KubernetesClient([], kubernetes.SignIn(b""))
    assert "no API server address" in str(caught.value)


# --- where it connects ---------------------------------------------------------------------------


def test_a_forbidden_address_is_refused_before_anything_is_sent():
    with answering(200) as server:
        with pytest.raises(AddressRefused) as caught:
            server.client(rule=AddressRule()).get("/x")
        assert server.requests == []
    assert "loopback" in caught.value.why


def test_a_name_that_leads_to_a_forbidden_address_is_refused(monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    client = client_at("https://cluster.example.com")
    with pytest.raises(AddressRefused) as caught:
        client.get("/x")
    assert "cluster.example.com (169.254.169.254)" in caught.value.what


def test_one_forbidden_answer_among_many_refuses_the_name(monkeypatch):
    places = [("203.0.113.1", 443), ("127.0.0.1", 443)]
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(outbound.AddressForbidden):
        outbound.allowed_addresses("cluster.example.com", 443, AddressRule())


def test_a_name_that_changes_its_mind_after_the_check_gains_nothing(monkeypatch):
    """The address that was checked is the one connected to: the name is resolved once a connection."""
    asked = []
    real = socket.getaddrinfo

    def rebinding(host, port, **options):
        asked.append(host)
        return real("127.0.0.1", port, **options)

    with answering(200) as server:
        port = server.server.server_address[1]
        client = client_at(f"https://localhost:{port}")
        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        client.get("/x")
    assert asked == ["localhost"]


def test_a_name_that_does_not_resolve_is_unreachable(monkeypatch):
    def fail(*_arguments, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    client = client_at("https://nowhere.example")
    with pytest.raises(ClusterUnreachable) as caught:
        client.get("/x")
    assert "does not resolve" in caught.value.why


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://203.0.113.66:3128")
    with answering(200) as server:
        assert server.client().get("/x") == {}


def test_keys_never_touch_a_file_system(monkeypatch):
    opened = []
    real = os.open
    with answering(200) as server, monkeypatch.context() as patch:
        patch.setattr(os, "open", lambda path, *a, **k: opened.append(path) or real(path, *a, **k))
        server.client().get("/x")
    assert opened == []


def test_the_machines_own_networks_are_read_from_the_kernel():
    assert all(network.prefixlen > 0 for network in outbound.own_networks())


# --- watching ------------------------------------------------------------------------------------


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


# --- the fake the other tests use ----------------------------------------------------------------


def public(kind):
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name: str(inspect.signature(member)) for name, member in members if not name.startswith("_")}


def test_the_fake_has_exactly_the_real_adapters_methods_and_signatures():
    assert public(FakeKubernetes) == public(kubernetes.KubernetesClient)
