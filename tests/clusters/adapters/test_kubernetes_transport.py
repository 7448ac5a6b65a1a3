"""The Kubernetes adapter on the wire: servers that hang, flood, lie and break off, and where it connects at all."""

import os
import socket

import pytest

from clusters.adapters import kubernetes
from clusters.errors import (
    AddressRefused,
    ClusterRefused,
    ClusterUnreachable,
)
from kcloud_site.outbound import connections as outbound
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.adapters.servers import answering, client_at
from tests.clusters.control_plane import free_port
from tests.clusters.hostile_api import HostileServer
from tests.clusters.kube_certificates import Authority, authority

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
