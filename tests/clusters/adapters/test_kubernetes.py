"""The Kubernetes adapter: what an honest answer and what a "no" becomes."""

import inspect
import json

import pytest

from clusters.adapters import kubernetes
from clusters.adapters.answers import path_of
from clusters.errors import (
    ClusterRefused,
    ResourceConflict,
    ResourceNotFound,
    WatchExpired,
)
from tests.clusters.adapters.servers import answering, status
from tests.clusters.fake_kubernetes import FakeKubernetes
from tests.clusters.hostile_api import HostileServer

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


# --- the fake the other tests use ----------------------------------------------------------------


def public(kind):
    members = inspect.getmembers(kind, inspect.isfunction)
    return {name: str(inspect.signature(member)) for name, member in members if not name.startswith("_")}


def test_the_fake_has_exactly_the_real_adapters_methods_and_signatures():
    assert public(FakeKubernetes) == public(kubernetes.KubernetesClient)
