"""Environments on a real API server with its controllers: what the server itself allows, refuses and counts."""

import json

import pytest

from clusters import access
from clusters.errors import ClusterRefused, ClusterUnreachable
from clusters.kubeconfigs import kubeconfig
from clusters.manifests import environment as manifest
from clusters.models import Environment
from clusters.observing.environments import differences
from clusters.selectors.environments import spec_of
from clusters.services import cluster_secrets, environment_watch, environments
from kcloud_site.operations.models import State
from tests.clusters.environments import GIB, ask, carry_out, give_quota, make, newest
from tests.clusters.kube_objects import make_cluster
from tests.operations.processes import until

pytestmark = [pytest.mark.lab, pytest.mark.django_db]

NAMESPACE = "/api/v1/namespaces/retail-dev"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/retail-dev/networkpolicies"
QUOTA = f"{NAMESPACE}/resourcequotas/kcloud-share"


@pytest.fixture
def cluster(controlled_plane):
    made = make_cluster("real", endpoints=[controlled_plane.url], origin="imported", allow_internal=True)
    config = kubeconfig.Kubeconfig(
        "ctx",
        controlled_plane.url,
        controlled_plane.sign_in.certificate_authority,
        controlled_plane.sign_in.certificate,
        controlled_plane.sign_in.key,
    )
    cluster_secrets.put(made, access.ADMIN_KUBECONFIG, kubeconfig.render(config).encode())
    yield made
    access.forget(made.pk)


@pytest.fixture
def admin(cluster):
    return access.kubernetes_for(cluster)


@pytest.fixture
def environment(tenant, cluster, admin):
    give_quota(tenant)
    yield make(tenant, cluster)
    admin.delete(NAMESPACE)
    until(lambda: "retail-dev" not in names(admin, "/api/v1/namespaces"), 60)


@pytest.fixture
def inside(environment):
    """The portal, as that environment's own account."""
    return access.kubernetes_for(environment)


def names(client, path):
    return {each["metadata"]["name"] for each in client.list(path)}


def config_map(namespace="retail-dev", name="settings"):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}}


def pod(name, memory="64Mi", **security):
    restricted = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "main",
        "image": "kcloud.local/hello:1",
        "securityContext": restricted | security,
        "resources": {"limits": {"memory": memory}},
    }
    metadata = {"name": name, "namespace": "retail-dev"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def refusal(act, *arguments):
    with pytest.raises(ClusterRefused) as refused:
        act(*arguments)
    assert refused.value.status == 403
    return refused.value.why


def test_what_was_applied_is_what_the_server_keeps(environment, admin):
    """The comparison knows what a server adds by itself: otherwise every look would find differences."""
    wanted = manifest.objects(spec_of(environment))
    found = environment_watch._everything(admin)
    assert differences(wanted, found.values()) == []
    assert len([key for key in found if "retail-dev" in key]) == len(wanted)


def test_its_account_works_inside_and_nowhere_else(environment, inside, admin):
    assert inside.apply(config_map())["data"] == {"a": "1"}
    assert names(inside, f"{NAMESPACE}/pods") == set()
    for path in (
        "/api/v1/namespaces/kube-system/secrets",
        "/api/v1/namespaces/default/pods",
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ):
        assert "forbidden" in refusal(inside.get, path)
    assert "forbidden" in refusal(inside.apply, config_map("default"))


def test_its_account_cannot_move_its_own_walls(environment, inside):
    for wanted in manifest.objects(spec_of(environment)):
        assert "forbidden" in refusal(inside.apply, wanted), wanted["kind"]
    assert "forbidden" in refusal(inside.delete, f"{POLICIES}/kcloud-default-deny")
    assert "forbidden" in refusal(inside.delete, NAMESPACE)
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    assert "forbidden" in refusal(inside.create, f"{NAMESPACE}/serviceaccounts/kcloud-portal/token", token)


def test_a_pod_that_wants_too_much_is_refused_by_pod_security(environment, inside):
    assert "PodSecurity" in refusal(inside.apply, pod("grows", allowPrivilegeEscalation=True))
    assert "PodSecurity" in refusal(inside.apply, pod("user", runAsNonRoot=False))


def test_the_share_is_enforced_and_counted(environment, inside, admin):
    until(lambda: admin.get(QUOTA).get("status", {}).get("hard"), 30)
    inside.apply(pod("fits", memory="1Gi"))
    assert "exceeded quota" in refusal(inside.apply, pod("large", memory="2Gi"))
    until(lambda: admin.get(QUOTA)["status"]["used"].get("pods") == "1", 30)
    environment_watch.look_after(cluster_pk=environment.cluster_id)
    environment.refresh_from_db()
    assert environment.used == {"cpu": 100, "memory": GIB, "storage": 0, "pods": 1, "gpus": 0}


def test_frozen_no_pod_starts_and_the_account_only_looks(environment, inside, admin):
    until(lambda: admin.get(QUOTA).get("status", {}).get("hard"), 30)
    inside.apply(pod("runs"))
    operation = carry_out(environments.freeze_environment(environment=environment, by=None))
    assert operation.state == State.SUCCEEDED, operation.failure
    until(lambda: _may_not(inside.apply, config_map()), 15)
    assert names(inside, f"{NAMESPACE}/pods") == {"runs"}
    until(lambda: admin.get(QUOTA)["status"]["hard"]["pods"] == "1", 30)
    assert "exceeded quota" in refusal(admin.apply, pod("late"))
    environment.refresh_from_db()
    carry_out(environments.thaw_environment(environment=environment, by=None))
    until(lambda: not _may_not(inside.apply, config_map()), 15)


def _may_not(act, *arguments):
    try:
        act(*arguments)
    except ClusterRefused as refused:
        return refused.status == 403
    return False


def test_what_hands_change_is_seen_with_whose_they_were_and_put_right(environment, admin):
    admin.delete(f"{POLICIES}/kcloud-default-deny")
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "kcloud-share"}}
    body["spec"] = {"hard": {"pods": "1000", "count/secrets": "5"}}
    admin._call("PATCH", QUOTA, {"fieldManager": "somebody", "force": "true"}, json.dumps(body).encode())
    wall = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "kcloud-openings"},
    }
    wall["spec"] = {"podSelector": {}, "ingress": [{}], "policyTypes": ["Ingress"]}
    admin._call(
        "PATCH",
        f"{POLICIES}/kcloud-openings",
        {"fieldManager": "somebody", "force": "true"},
        json.dumps(wall).encode(),
    )
    environment_watch.look_after(cluster_pk=environment.cluster_id)
    environment.refresh_from_db()
    seen = {(each["kind"], each["name"]): each for each in environment.drift}
    assert {key[1]: each["what"] for key, each in seen.items()} == {
        "kcloud-share": "changed",
        "kcloud-default-deny": "missing",
        "kcloud-openings": "changed",
    }
    assert seen["ResourceQuota", "kcloud-share"]["by"].startswith("somebody, ")
    repair = newest(environment)
    assert (repair.kind, carry_out(repair).state) == (environments.REPAIR, State.SUCCEEDED), repair.failure
    assert (
        differences(manifest.objects(spec_of(environment)), environment_watch._everything(admin).values())
        == []
    )
    assert set(admin.get(QUOTA)["spec"]["hard"]) >= {"pods", "requests.cpu"}
    assert "count/secrets" not in admin.get(QUOTA)["spec"]["hard"]


def test_a_binding_to_another_role_is_made_anew(environment, admin):
    wanted = manifest.binding(spec_of(environment))
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/retail-dev/rolebindings/kcloud-portal"
    admin.delete(path)
    wanted["roleRef"] = {**wanted["roleRef"], "kind": "ClusterRole", "name": "cluster-admin"}
    admin.apply(wanted)
    environment_watch.look_after(cluster_pk=environment.cluster_id)
    assert carry_out(newest(environment)).state == State.SUCCEEDED
    assert admin.get(path)["roleRef"]["name"] == "kcloud-portal"


def test_somebody_elses_namespace_stays_as_it_is(tenant, cluster, admin):
    give_quota(tenant)
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "retail-theirs"}}
    before = admin.create("/api/v1/namespaces", theirs)
    made = ask(tenant, cluster, name="theirs")
    operation = carry_out(newest(made))
    assert (operation.state, "somebody else" in operation.failure["what"]) == (State.FAILED, True)
    made.refresh_from_db()
    removal = environments.remove_environment(environment=made, by=None, confirm_name="retail-theirs")
    assert carry_out(removal).state == State.SUCCEEDED
    after = admin.get("/api/v1/namespaces/retail-theirs")
    assert (after["metadata"]["uid"], after["status"]["phase"]) == (before["metadata"]["uid"], "Active")
    assert names(admin, "/api/v1/namespaces/retail-theirs/resourcequotas") == set()
    admin.delete("/api/v1/namespaces/retail-theirs")


def test_removing_waits_until_nothing_is_left_and_tells_what_holds_it(environment, admin, monkeypatch):
    held = config_map(name="held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    admin.apply(held)
    monkeypatch.setattr("clusters.services.environment_steps.REMOVAL_PATIENCE", 20.0)
    operation = environments.remove_environment(environment=environment, by=None, confirm_name="retail-dev")
    assert carry_out(operation).state == State.FAILED
    assert "example.com/hold" in operation.failure["why"]
    held["metadata"]["finalizers"] = []
    admin.apply(held)
    monkeypatch.setattr("clusters.services.environment_steps.REMOVAL_PATIENCE", 60.0)
    environment.refresh_from_db()
    again = environments.remove_environment(environment=environment, by=None, confirm_name="retail-dev")
    assert carry_out(again).state == State.SUCCEEDED, again.failure
    assert "retail-dev" not in names(admin, "/api/v1/namespaces")
    assert not Environment.objects.exists()


def test_a_used_up_token_is_refused_before_anything_is_sent(environment, inside):
    Environment.objects.update(token_ends_at="2020-01-01T00:00:00Z")
    environment.refresh_from_db()
    with pytest.raises(ClusterUnreachable) as refused:
        access.kubernetes_for(environment)
    assert "repair" in refused.value.remedy
