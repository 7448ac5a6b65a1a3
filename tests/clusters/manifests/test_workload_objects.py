"""The objects a deployment applies: hardened pods, DNS at its address, a Service for every node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.manifests import coredns, verification
from clusters.services import deployment_addons
from tests.clusters import deployments

OBJECTS = coredns.objects(
    image="kcloud.local/coredns:1.14.7", domain="k.example", address="10.96.0.10", replicas=2
)
BY_KIND = {obj["kind"]: obj for obj in OBJECTS}


def pods():
    yield BY_KIND["Deployment"]["spec"]["template"]["spec"]
    yield from (obj["spec"] for obj in verification.objects(["w1", "w2"]) if obj["kind"] == "Pod")


@pytest.mark.parametrize("spec", list(pods()), ids=["dns", "w1", "w2"])
def test_every_pod_runs_restricted_and_from_the_bundle(spec):
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["imagePullPolicy"] == "Never"
    assert container["image"].startswith("kcloud.local/")
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_dns_answers_at_its_address_on_port_53_of_both_protocols():
    spec = BY_KIND["Service"]["spec"]
    assert spec["clusterIP"] == "10.96.0.10"
    assert {(port["protocol"], port["port"]) for port in spec["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert {port["targetPort"] for port in spec["ports"]} == {coredns.PORT}


def test_dns_listens_on_the_port_that_policies_open_and_needs_no_privilege_for_it():
    spec = BY_KIND["Deployment"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert {port["containerPort"] for port in container["ports"] if port["name"] != "metrics"} == {53}
    setting = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "53"}
    assert spec["securityContext"]["sysctls"] == [setting]


def test_dns_serves_the_clusters_domain_and_asks_nobody_outside():
    text = BY_KIND["ConfigMap"]["data"]["Corefile"]
    assert "kubernetes k.example in-addr.arpa" in text
    assert "forward" not in text
    assert text.startswith(f".:{coredns.PORT} {{")


def test_dns_selects_its_own_pods():
    labels = BY_KIND["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert BY_KIND["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert BY_KIND["Service"]["spec"]["selector"].items() <= labels.items()


def test_dns_may_read_and_nothing_else():
    verbs = {verb for rule in BY_KIND["ClusterRole"]["rules"] for verb in rule["verbs"]}
    assert verbs == {"list", "watch"}


def test_each_node_has_a_pod_of_its_own_behind_a_service_of_its_own():
    objects = verification.objects(["w1", "w2"])
    by_name = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
    for node in ("w1", "w2"):
        pod, service = by_name["Pod", f"on-{node}"], by_name["Service", f"on-{node}"]
        terms = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert terms["nodeSelectorTerms"][0]["matchFields"][0]["values"] == [node]
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        assert "nodeName" not in pod["spec"], "the scheduler is to be tried, too"


NODES = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,10}", fullmatch=True), unique=True, min_size=1, max_size=30)


@given(nodes=NODES)
def test_every_node_is_reached_by_others_and_reaches_others(nodes):
    addresses = {node: f"10.96.1.{n}" for n, node in enumerate(nodes)}
    reached = {}
    for node in nodes:
        for probe in verification.probes(node, nodes, addresses, "cluster.local"):
            assert probe["address"] == addresses[probe["node"]]
            assert probe["name"] == f"on-{probe['node']}.kcloud-verify.svc.cluster.local"
            reached.setdefault(probe["node"], set()).add(node)
    others = min(len(nodes) - 1, verification.MOST_NEIGHBOURS)
    for node in nodes:
        assert len(reached[node] - {node}) == others


def test_a_lone_node_reaches_itself():
    assert [probe["node"] for probe in verification.probes("w1", ["w1"], {"w1": "10.96.0.7"}, "k")] == ["w1"]


@given(name=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True))
def test_any_nodes_name_makes_a_valid_service_name(name):
    made = verification.service_name(name)
    assert len(made) <= 63
    assert made[0].isalpha()
    assert made[-1].isalnum()


@pytest.mark.parametrize(
    ("pod", "ready", "why"),
    [
        ({}, False, ""),
        ({"status": {"phase": "Pending"}}, False, "Pending"),
        ({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, True, ""),
        (
            {
                "status": {
                    "containerStatuses": [
                        {"state": {"waiting": {"reason": "ErrImageNeverPull", "message": "no"}}}
                    ]
                }
            },
            False,
            "ErrImageNeverPull: no",
        ),
        (
            {
                "status": {
                    "conditions": [
                        {
                            "type": "PodScheduled",
                            "status": "False",
                            "reason": "Unschedulable",
                            "message": "0/2",
                        }
                    ]
                }
            },
            False,
            "Unschedulable: 0/2",
        ),
    ],
)
def test_a_pods_state_is_read_in_kubernetes_words(pod, ready, why):
    assert verification.is_ready(pod) is ready
    assert verification.why_not(pod) == why


def test_nodes_are_labelled_with_role_region_pool_and_the_plans_own():
    first = deployment_addons.node_objects(deployments.make())[0]
    assert first["metadata"]["name"] == "w1"
    assert first["metadata"]["labels"] == {
        "node-role.kubernetes.io/worker": "",
        "kcloud.local/pool": "general",
        "topology.kubernetes.io/region": "east",
        "tier": "web",
    }
