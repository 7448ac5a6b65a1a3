"""The Kubernetes adapter against a real API server on loopback."""

import itertools

import pytest

from clusters.adapters.kubernetes import KubernetesClient, SignIn
from clusters.deploying import node_taints
from clusters.errors import ClusterRefused, ResourceConflict, ResourceNotFound
from tests.clusters.control_plane import ANYWHERE, VERSION

pytestmark = pytest.mark.lab


def config_map(name, **data):
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_a_real_server_tells_its_version_and_that_it_is_ready(control_plane):
    client = control_plane.client()
    assert client.version() == f"v{VERSION}"
    assert client.readyz() is True
    assert b"[+]etcd ok" in client.get_bytes("/readyz", verbose="1")


def test_apply_creates_changes_and_labels_and_the_server_knows_the_field_manager(control_plane):
    client = control_plane.client()
    client.apply(config_map("applied", a="1"))
    kept = client.apply(config_map("applied", a="2"))
    assert kept["data"] == {"a": "2"}
    assert kept["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "kcloud"
    assert {entry["manager"] for entry in kept["metadata"]["managedFields"]} == {"kcloud"}


def test_a_field_somebody_else_owns_is_a_conflict_that_names_it(control_plane):
    client = control_plane.client()
    client.apply(config_map("contested", a="1"))
    path = "/api/v1/namespaces/default/configmaps/contested"
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"contested"},"data":{"a":"theirs"}}'
    client._call("PATCH", path, {"fieldManager": "somebody", "force": "true"}, body)
    with pytest.raises(ResourceConflict) as caught:
        client.apply(config_map("contested", a="1"), force=False)
    assert caught.value.fields == (".data.a",)
    assert client.apply(config_map("contested", a="1"), force=True)["data"]["a"] == "1"


def test_a_patch_changes_what_it_names_and_is_refused_when_it_comes_late(control_plane):
    client = control_plane.client()
    path = "/api/v1/namespaces/default/configmaps/patched"
    version = client.apply(config_map("patched", a="1", b="1"))["metadata"]["resourceVersion"]
    assert client.patch(path, {"data": {"a": None, "c": "3"}})["data"] == {"b": "1", "c": "3"}
    with pytest.raises(ResourceConflict):
        client.patch(path, {"metadata": {"resourceVersion": version}, "data": {"b": "2"}})
    with pytest.raises(ResourceNotFound):
        client.patch(f"{path}-gone", {"data": {}})


def test_taints_and_labels_of_a_real_node_go_together_with_those_of_others(control_plane):
    """What we apply and what we patch are two lists of fields to the server: neither removes the other's."""
    client = control_plane.client()
    path, node = (
        "/api/v1/nodes/tainted",
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "tainted"}},
    )
    client.apply({**node, "metadata": {"name": "tainted", "labels": {"disk": "ssd"}}})
    client.patch(
        path,
        {
            "metadata": {"annotations": {node_taints.ANNOTATION: "a:NoSchedule"}},
            "spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]},
        },
    )
    kept = client.apply(node)
    assert "disk" not in kept["metadata"]["labels"]
    assert kept["metadata"]["annotations"][node_taints.ANNOTATION] == "a:NoSchedule"
    assert {"key": "a", "effect": "NoSchedule"} in kept["spec"]["taints"]
    client.delete(path)


def test_delete_removes_and_twice_is_no_error(control_plane):
    client = control_plane.client()
    client.apply(config_map("short-lived"))
    path = "/api/v1/namespaces/default/configmaps/short-lived"
    client.delete(path)
    client.delete(path)
    with pytest.raises(ResourceNotFound):
        client.get(path)


def test_an_invalid_object_is_refused_with_the_servers_words(control_plane):
    with pytest.raises(ClusterRefused) as caught:
        control_plane.client().apply(config_map("Not A Name"))
    assert caught.value.status == 422
    assert "RFC 1123" in caught.value.why


def test_a_long_list_comes_in_pages_and_whole(control_plane, monkeypatch):
    monkeypatch.setattr("clusters.adapters.kubernetes.PAGE", 3)
    client = control_plane.client()
    for number in range(8):
        client.apply(config_map(f"page-{number}"))
    names = [each["metadata"]["name"] for each in client.list("/api/v1/namespaces/default/configmaps")]
    assert {f"page-{number}" for number in range(8)} <= set(names)
    assert len(names) == len(set(names))


def test_a_watch_continues_where_the_list_ended(control_plane):
    client = control_plane.client()
    path = "/api/v1/namespaces/default/configmaps"
    version = client.get(path)["metadata"]["resourceVersion"]
    client.apply(config_map("watched", a="1"))
    client.apply(config_map("watched", a="2"))
    events = list(itertools.islice(client.watch(path, version, timeout=20), 2))
    assert [(kind, each["data"]["a"]) for kind, each in events] == [("ADDED", "1"), ("MODIFIED", "2")]


def test_a_stranger_is_refused_with_a_remedy(control_plane):
    pair = control_plane.authority.sign("nobody", group="nobodies")
    sign_in = SignIn(control_plane.authority.certificate, pair.certificate, pair.key)
    stranger = KubernetesClient([control_plane.url], sign_in, ANYWHERE)
    with pytest.raises(ClusterRefused) as caught:
        stranger.get("/api/v1/nodes")
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert "permission" in caught.value.remedy
