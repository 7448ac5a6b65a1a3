"""What an environment is made of: closed walls, a share that is kept, an account that cannot move its own walls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.manifests import coredns
from clusters.manifests import environment as manifest
from clusters.manifests.environment import EnvironmentSpec
from clusters.observing.nodes import quantity
from kcloud_site.tenants.resources import Resources

GIB = 1024**3
SHARE = Resources(cpu=1500, memory=2 * GIB, storage=10 * GIB, pods=10, gpus=1)


def spec(share=SHARE, frozen_pods=None):
    return EnvironmentSpec(
        id=7,
        portal="abc",
        tenant="retail",
        name="dev",
        stage="dev",
        namespace="retail-dev",
        share=share,
        frozen_pods=frozen_pods,
    )


def by_kind(kind, name="", **values):
    (found,) = [
        each
        for each in manifest.objects(spec(**values))
        if each["kind"] == kind and name in ("", each["metadata"]["name"])
    ]
    return found


def rules(**values):
    return [
        (group, resource, verb)
        for rule in by_kind("Role", **values)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]


def test_the_namespace_comes_first_and_everything_else_is_inside_it():
    first, *rest = manifest.objects(spec())
    assert (first["kind"], first["metadata"]["name"]) == ("Namespace", "retail-dev")
    assert {each["metadata"]["namespace"] for each in rest} == {"retail-dev"}
    assert {each["kind"] for each in rest}.isdisjoint({"ClusterRole", "ClusterRoleBinding"})


def test_every_object_says_whose_it_is():
    for each in manifest.objects(spec()):
        labels = each["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "kcloud"
        assert (labels["kcloud.local/tenant"], labels["kcloud.local/environment"]) == ("retail", "dev")


def test_pod_security_is_restricted_and_stays_so():
    labels = by_kind("Namespace")["metadata"]["labels"]
    modes = ("enforce", "warn", "audit")
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in modes} == {"restricted"}


def test_the_share_is_the_quota():
    assert by_kind("ResourceQuota")["spec"]["hard"] == {
        "requests.cpu": "1500m",
        "requests.memory": str(2 * GIB),
        "limits.memory": str(2 * GIB),
        "requests.storage": str(10 * GIB),
        "pods": "10",
        "requests.nvidia.com/gpu": "1",
    }


@given(
    cpu=st.integers(1, 10**6),
    memory=st.integers(1, 2**50),
    pods=st.integers(1, 10**4),
)
def test_a_container_that_says_nothing_fits_into_any_share(cpu, memory, pods):
    (item,) = by_kind("LimitRange", share=Resources(cpu=cpu, memory=memory, pods=pods))["spec"]["limits"]
    request, limit = item["defaultRequest"], item["default"]
    assert quantity(request["cpu"]) <= cpu / 1000
    assert quantity(request["memory"]) <= quantity(limit["memory"]) <= memory


@given(pods=st.integers(1, 1000), frozen=st.integers(0, 2000))
def test_frozen_never_means_more_pods_than_the_share(pods, frozen):
    hard = by_kind("ResourceQuota", share=Resources(cpu=10, memory=GIB, pods=pods), frozen_pods=frozen)
    assert int(hard["spec"]["hard"]["pods"]) == min(pods, frozen)


def test_nothing_goes_in_or_out_but_through_the_openings():
    deny = by_kind("NetworkPolicy", "kcloud-default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    openings = by_kind("NetworkPolicy", "kcloud-openings")["spec"]
    assert openings["podSelector"] == {}
    (entry,) = openings["ingress"]
    gateway = {"namespaceSelector": {"matchLabels": {"kcloud.local/gateway": "true"}}}
    assert entry["from"] == [{"podSelector": {}}, gateway]
    inside, dns = openings["egress"]
    assert inside == {"to": [{"podSelector": {}}]}
    (target,) = dns["to"]
    assert target["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kube-system"}
    assert target["podSelector"]["matchLabels"] == {"k8s-app": "kube-dns"}
    seen = [(each["protocol"], each["port"]) for each in dns["ports"]]
    assert len(seen) == len(set(seen))
    assert set(seen) == {(protocol, port) for protocol in ("UDP", "TCP") for port in (53, coredns.PORT)}


def test_no_peer_of_a_policy_is_everybody():
    """An empty peer, or one that selects all namespaces, would open the wall to every tenant."""
    for policy in manifest.network_policies(spec()):
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            for peer in rule.get("from", []) + rule.get("to", []):
                assert peer != {}
                assert peer.get("namespaceSelector", {"matchLabels": "own"}).get("matchLabels")
            assert rule.get("from") or rule.get("to")


def test_no_account_gives_its_token_to_a_pod_by_itself():
    for name in ("kcloud-portal", "default"):
        assert by_kind("ServiceAccount", name)["automountServiceAccountToken"] is False


def test_the_account_cannot_widen_its_rights_or_move_its_walls():
    touching = {verb for _group, _resource, verb in rules()} - {"get", "list", "watch"}
    assert touching == {"create", "update", "patch", "delete", "deletecollection"}
    assert not {"escalate", "bind", "impersonate", "*"} & {verb for _group, _resource, verb in rules()}
    changeable = {resource for _group, resource, verb in rules() if verb in touching}
    assert changeable.isdisjoint(
        {
            "*",
            "roles",
            "rolebindings",
            "serviceaccounts",
            "serviceaccounts/token",
            "resourcequotas",
            "limitranges",
            "networkpolicies",
            "namespaces",
        }
    )
    assert not any(group == "*" for group, _resource, _verb in rules())


def test_the_account_can_do_what_running_applications_needs():
    every = set(rules())
    for needed in [
        ("apps", "deployments", "patch"),
        ("", "pods", "list"),
        ("", "pods/log", "get"),
        ("", "pods/exec", "create"),
        ("", "configmaps", "create"),
        ("", "secrets", "delete"),
        ("", "services", "patch"),
        ("batch", "jobs", "create"),
        ("networking.k8s.io", "ingresses", "patch"),
        ("", "events", "watch"),
    ]:
        assert needed in every


def test_frozen_the_account_only_looks():
    frozen = rules(frozen_pods=3)
    assert {verb for _group, _resource, verb in frozen} == {"get", "list", "watch"}
    assert "pods/exec" not in {resource for _group, resource, _verb in frozen}
    assert ("", "pods/log", "get") in frozen


@pytest.mark.parametrize("label", sorted(manifest.labels(spec())))
def test_a_namespace_is_ours_only_with_every_mark(label):
    ours = manifest.namespace(spec())
    assert manifest.is_ours(ours, spec())
    ours["metadata"]["labels"].pop(label)
    assert not manifest.is_ours(ours, spec())
    assert not manifest.is_ours({}, spec())
