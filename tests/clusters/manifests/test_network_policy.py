"""What the policy agents may do, and the policy a deployment proves them by."""

from hypothesis import given
from hypothesis import strategies as st

from clusters.adapters.answers import path_of
from clusters.deploying import node_files, pki
from clusters.manifests import network_policy, verification
from tests.clusters import deployments

OBJECTS = network_policy.objects()
BY_KIND = {obj["kind"]: obj for obj in OBJECTS}


def test_the_agent_reads_and_writes_nothing_but_its_leases():
    rules = BY_KIND["ClusterRole"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}
    read = {name for rule in rules for name in rule["resources"]}
    assert read == {"pods", "namespaces", "networkpolicies", "nodes"}
    (leases,) = BY_KIND["Role"]["rules"]
    assert leases["resources"] == ["leases"]
    assert BY_KIND["Role"]["metadata"]["namespace"] == network_policy.NAMESPACE


def test_the_rights_are_those_of_the_name_in_the_certificate():
    layout = node_files.layout(deployments.make())
    (spec,) = [each for each in pki.certificates(layout) if each.name == "network-policy"]
    assert (spec.common_name, spec.organization) == (network_policy.USER, "")
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        (subject,) = BY_KIND[kind]["subjects"]
        assert (subject["kind"], subject["name"]) == ("User", network_policy.USER)


def test_the_name_can_be_no_persons():
    """Operators are called "kcloud:" and their own name."""
    assert not network_policy.USER.startswith("kcloud:")


def test_the_namespace_comes_before_what_lies_in_it():
    assert OBJECTS[0]["kind"] == "Namespace"
    paths = [path_of(obj) for obj in OBJECTS]
    assert len(set(paths)) == len(OBJECTS)
    assert network_policy.LEASES_PATH.split("/")[5] == OBJECTS[0]["metadata"]["name"]


def test_the_verification_lets_only_the_pods_own_port_in():
    objects = verification.objects(["w1", "w2"])
    (policy,) = [obj for obj in objects if obj["kind"] == "NetworkPolicy"]
    assert policy["spec"]["podSelector"] == {}
    (rule,) = policy["spec"]["ingress"]
    assert [port["port"] for port in rule["ports"]] == [verification.PORT]
    pods = [obj for obj in objects if obj["kind"] == "Pod"]
    listening = {port["containerPort"] for pod in pods for port in pod["spec"]["containers"][0]["ports"]}
    assert listening == {verification.PORT}
    assert objects.index(policy) < objects.index(pods[0]), "it is there before the first pod"


@given(st.integers(min_value=1, max_value=40))
def test_every_pod_is_tried_where_it_is_closed_and_none_tries_itself(count):
    nodes = [f"w{number}" for number in range(count)]
    addresses = {node: f"10.244.{number}.2" for number, node in enumerate(nodes)}
    tried = {node: verification.closed(node, nodes, addresses) for node in nodes}
    assert all(len(each) <= verification.MOST_NEIGHBOURS for each in tried.values())
    for node, targets in tried.items():
        assert node not in {target["node"] for target in targets}
        assert all(target["address"] == addresses[target["node"]] for target in targets)
        assert {target["port"] for target in targets} <= {str(verification.CLOSED_PORT)}
    if count > 1:
        assert {target["node"] for targets in tried.values() for target in targets} == set(nodes)
