"""Pages of clusters and nodes, through Django's client with rows in the database and a cluster in memory."""

import pytest
from django.urls import reverse
from django.utils import timezone

from clusters.errors import ClusterUnreachable
from clusters.manifests.network_policy import LEASES_PATH
from clusters.models import Cluster
from clusters.observing.health import judge
from clusters.observing.nodes import node_status
from clusters.selectors import log_shipping
from clusters.selectors import nodes as seeing
from clusters.services import cluster_secrets
from kcloud_site import formatting
from kcloud_site.operations.models import Operation, Step
from tests.clusters.fake_kubernetes import FakeKubernetes, agent_lease
from tests.clusters.kube_objects import make_cluster, make_host, make_nodes, make_plan, raw_node, raw_pod
from tests.markup import squeezed

pytestmark = pytest.mark.django_db


@pytest.fixture
def kube(monkeypatch):
    """What the pages ask live."""
    fake = FakeKubernetes()
    fake.raw["/api/v1/pods"] = b'{"items": []}'
    monkeypatch.setattr("clusters.access.kubernetes_for", lambda cluster, **_options: fake)
    monkeypatch.setattr(
        "clusters.access.kubernetes_each",
        lambda cluster, **_options: {url: fake for url in cluster.endpoints},
    )
    seeing.cache.clear()
    return fake


@pytest.fixture
def see(client, operator, kube):
    """Open a page by its name, as an operator."""
    client.force_login(operator)

    def open_page(name, *arguments, query="", htmx=False, status=200):
        headers = {"HX-Request": "true"} if htmx else {}
        answer = client.get(reverse(f"clusters:{name}", args=arguments) + query, headers=headers)
        assert answer.status_code == status
        return answer.content.decode()

    return open_page


def make_operation(cluster, state="failed", **values):
    active = f"clusters.cluster:{cluster.pk}" if state in ("running", "pending") else None
    return Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.cluster",
        subject_id=str(cluster.pk),
        subject_name=cluster.name,
        active_subject=active,
        requested_by_name="operator",
        state=state,
        **values,
    )


# --- who may -------------------------------------------------------------------------------------

PAGES = [
    ("list",),
    ("detail", "dev"),
    ("nodes", "dev"),
    ("node", "dev", "w1"),
    ("compare", "dev"),
    ("import",),
]
PAGES += [("kubeconfig", "dev")]


@pytest.mark.parametrize("place", PAGES, ids=lambda place: place[0])
def test_strangers_sign_in_and_people_without_the_right_are_told_whom_to_ask(client, person, place):
    address = reverse(f"clusters:{place[0]}", args=place[1:])
    assert client.get(address).status_code == 302
    client.force_login(person)
    assert client.get(address).status_code == 403


@pytest.mark.parametrize("place", [place for place in PAGES if len(place) > 1], ids=lambda place: place[0])
def test_a_cluster_that_does_not_exist_is_not_found(see, place):
    see(*place, status=404)


# --- the list ------------------------------------------------------------------------------------


def test_the_empty_list_says_how_to_begin(see):
    text = see("list")
    assert "No cluster yet" in text
    assert reverse("clusters:import") in text


def test_the_list_is_worst_first(see):
    for name, health in (
        ("a-well", "healthy"),
        ("b-down", "down"),
        ("c-half", "degraded"),
        ("d-blind", "unknown"),
    ):
        make_cluster(name, health=health)
    make_cluster("e-draft", state="draft", health="unknown")
    make_cluster("f-failed", state="failed", health="unknown")
    text = see("list")
    names = ["b-down", "f-failed", "d-blind", "c-half", "e-draft", "a-well"]
    places = [text.index(f"/clusters/{name}/") for name in names]
    assert places == sorted(places)


def test_the_list_counts_ready_nodes_and_shows_why(see):
    cluster = make_cluster(health="degraded", health_reason="1 of 2 nodes not ready: w2.")
    make_nodes(cluster, raw_node("w1"), raw_node("w2", ready="Unknown"))
    text = squeezed(see("list"))
    assert "1 / 2" in text
    assert "1 of 2 nodes not ready: w2." in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?q=ALP", {"alpha"}),
        ("?state=down", {"beta"}),
        ("?version=1.33.1", {"alpha"}),
        ("?state=nonsense", {"alpha", "beta"}),
    ],
)
def test_the_list_is_filtered_on_the_server(see, query, shown):
    make_cluster("alpha", version="1.33.1")
    make_cluster("beta", health="down")
    text = see("list", query=query)
    assert {name for name in ("alpha", "beta") if f"/clusters/{name}/" in text} == shown


def test_a_filter_that_finds_nothing_offers_the_way_back(see):
    make_cluster()
    assert "No cluster matches" in see("list", query="?q=zzz")


def test_a_cluster_that_is_being_deployed_shows_its_step(see):
    cluster = make_cluster(state="deploying", health="unknown")
    operation = make_operation(cluster, "running")
    for position, state in enumerate(["succeeded", "succeeded", "running", "pending"]):
        Step.objects.create(operation=operation, key=f"s{position}", position=position, state=state)
    assert "Step 3 of 4" in see("list")


def test_htmx_gets_the_rows_alone(see):
    make_cluster()
    text = see("list", htmx=True)
    assert "<html" not in text
    assert 'id="rows"' in text


def fill(count, nodes):
    for number in range(count):
        cluster = make_cluster(f"c{number:03}")
        make_nodes(cluster, *(raw_node(f"w{each}") for each in range(nodes)))
        make_operation(cluster, "running")


@pytest.mark.parametrize("place", [("list",), ("detail", "c000"), ("nodes", "c000"), ("compare", "c000")])
def test_the_number_of_queries_does_not_grow(see, place, django_assert_max_num_queries):
    fill(1, 1)
    with django_assert_max_num_queries(40) as few:
        see(*place)
    Cluster.objects.all().delete()
    Operation.objects.all().delete()
    fill(12, 9)
    seeing.cache.clear()
    with django_assert_max_num_queries(len(few.captured_queries)):
        see(*place)


def test_the_list_has_pages(see):
    for number in range(27):
        make_cluster(f"c{number:03}")
    assert "/clusters/c026/" not in see("list")
    assert "/clusters/c026/" in see("list", query="?page=2")


# --- one cluster ---------------------------------------------------------------------------------


def test_a_well_cluster_has_no_band(see):
    cluster = make_cluster()
    make_nodes(cluster, raw_node("w1"))
    text = see("detail", "dev")
    assert "kc-why" not in text
    assert "1 / 1" in text


def test_a_degraded_cluster_names_its_nodes_and_leads_to_them(see):
    cluster = make_cluster(health="degraded")
    make_nodes(cluster, raw_node("w1"), raw_node("w2", ready="False"))
    text = see("detail", "dev")
    assert "1 of 2 nodes is not ready: w2." in text
    assert reverse("clusters:nodes", args=["dev"]) + "?state=not-ready" in text


def test_a_cluster_that_does_not_answer_says_so_on_the_page(see, kube):
    kube.down = ClusterUnreachable("The cluster's API server does not answer.", "connection refused")
    make_cluster(health="down", health_reason="The cluster's API server does not answer. Connection refused.")
    text = see("detail", "dev")
    assert "does not answer" in text
    assert "still serve" in text


def test_a_cluster_nobody_watches_says_what_to_start(see):
    make_cluster(health="unknown")
    assert "manage.py watch" in see("detail", "dev")


def test_a_failed_cluster_shows_the_failure_and_offers_resume(see):
    cluster = make_cluster(state="failed", health="unknown")
    failure = {"what": "containerd did not start on w2.", "why": "disk full", "remedy": "Free some space."}
    operation = make_operation(cluster, "failed", failure=failure, finished_at=timezone.now())
    text = see("detail", "dev")
    assert "containerd did not start on w2. disk full" in text
    assert "Free some space." in text
    assert reverse("operations:resume", args=[operation.pk]) in text


def test_a_draft_leads_to_its_plan(see):
    cluster = make_cluster(state="draft", health="unknown", endpoints=[], version="")
    make_plan(cluster)
    text = see("detail", "dev")
    assert reverse("clusters:plan", args=["dev"]) in text
    assert "Kubeconfig" not in text


def test_a_deploying_cluster_leads_to_its_operation(see):
    cluster = make_cluster(state="deploying", health="unknown")
    operation = make_operation(cluster, "running", started_at=timezone.now())
    text = see("detail", "dev")
    assert reverse("operations:detail", args=[operation.pk]) in text
    assert "Watch it" in text


def test_the_control_plane_tells_its_own_state(see, kube):
    kube.raw["/readyz"] = b"[+]ping ok\n[+]etcd ok\nreadyz check passed"
    lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler"
    kube.objects[lease] = {"spec": {"holderIdentity": "m1_abc", "renewTime": timezone.now().isoformat()}}
    cluster = make_cluster()
    make_nodes(cluster, raw_node("w1"))
    text = see("detail", "dev")
    assert "1 of 1 ready" in text
    assert "led by m1" in text
    assert "nobody holds its lease" in text


def test_the_page_says_on_how_many_nodes_network_policies_are_kept(see, kube):
    cluster = make_cluster()
    make_nodes(cluster, raw_node("w1"), raw_node("w2"))
    for node in ("w1", "w2"):
        kube.objects[f"{LEASES_PATH}/{node}"] = agent_lease(node)
    assert "kept on 2 of 2 nodes (iptables)" in see("detail", "dev")
    kube.objects[f"{LEASES_PATH}/w2"] = agent_lease("w2", age=600)
    text = see("detail", "dev")
    assert "not kept on w2" in text
    assert "kcloud-network-policy.service" in text


def test_a_cluster_with_a_silent_policy_agent_says_where_to_look(see):
    cluster = make_cluster(health="degraded", health_reason=judge_unguarded("w2"))
    make_nodes(cluster, raw_node("w1"), raw_node("w2"))
    text = see("detail", "dev")
    assert "Network policies are not kept on w2." in text
    assert "Look at kcloud-network-policy.service there" in text


def judge_unguarded(name):
    return judge([node_status(raw_node(name))], [name]).reason


def test_an_imported_cluster_says_nothing_about_agents_it_does_not_have(see, kube):
    make_nodes(make_cluster(origin="imported"), raw_node("w1"))
    assert "Network policies" not in see("detail", "dev")


def test_a_master_that_is_not_ready_names_the_checks_that_failed(see, kube, monkeypatch):
    def not_ready(path, **_params):
        raise ClusterUnreachable("500", "[+]ping ok\n[-]etcd failed: reason withheld\n")

    monkeypatch.setattr(kube, "get_bytes", not_ready)
    make_cluster()
    text = see("detail", "dev")
    assert "etcd" in text
    assert "not reached by every API service" in text


def test_the_live_part_comes_alone_and_takes_the_head_with_it(see):
    make_nodes(make_cluster(), raw_node("w1"))
    text = see("detail", "dev", htmx=True)
    assert "<html" not in text
    assert 'hx-swap-oob="true"' in text


def test_what_a_cluster_says_is_escaped(see, kube):
    evil = "<script>alert(1)</script>"
    cluster = make_cluster(health="down", health_reason=evil)
    node = raw_node("w1", ready="False", labels={evil: evil})
    node["status"]["conditions"][1]["message"] = evil
    make_nodes(cluster, node)
    kube.objects["/api/v1/pods/x"] = raw_pod(evil)
    for place in (("list",), ("detail", "dev"), ("nodes", "dev"), ("node", "dev", "w1")):
        assert evil not in see(*place)


# --- nodes ---------------------------------------------------------------------------------------


def test_the_nodes_are_listed_worst_first_with_what_they_carry(see, kube):
    kube.raw["/api/v1/pods"] = b'{"items": [{"spec": {"nodeName": "w2"}}, {"spec": {"nodeName": "w2"}}]}'
    cluster = make_cluster()
    make_nodes(
        cluster,
        raw_node("w1"),
        raw_node("w2", unschedulable=True),
        raw_node("w3", ready="False"),
        raw_node("w4", ready="Unknown"),
    )
    text = see("nodes", "dev")
    places = [text.index(f"/nodes/{name}/") for name in ("w3", "w4", "w2", "w1")]
    assert places == sorted(places)
    for word in (
        "Cordoned",
        "Not ready",
        "No word from it",
        "v1.34.4",
        "192.0.2.5",
        formatting.size(3500 * 2**20),
    ):
        assert word in text
    assert "2 <span" in text


@pytest.mark.parametrize(
    ("query", "shown"),
    [("?q=w2", {"w2"}), ("?state=not-ready", {"w2"}), ("?state=ready", {"w1"}), ("?role=gpu", {"w1"})],
)
def test_the_nodes_are_filtered(see, query, shown):
    make_nodes(make_cluster(), raw_node("w1", roles=["gpu"]), raw_node("w2", ready="False"))
    text = see("nodes", "dev", query=query)
    assert {name for name in ("w1", "w2") if f"/nodes/{name}/" in text} == shown


def test_no_node_yet_says_when_there_will_be_some(see):
    make_cluster(state="draft")
    assert "when the cluster has been deployed" in see("nodes", "dev")


def test_a_node_shows_conditions_capacity_pods_host_and_region(see, kube):
    cluster = make_cluster()
    host = make_host("w1", address="192.0.2.5", cluster=cluster, role="worker")
    taint = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
    make_nodes(cluster, raw_node("w1", taints=[taint], labels={"rack": "r7"}))
    kube.raw["/api/v1/pods"] = (
        b'{"items": [{"metadata": {"name": "web", "namespace": "shop"}, "spec": {"nodeName": "w1"}}]}'
    )
    text = see("node", "dev", "w1")
    for word in (
        "MemoryPressure",
        "110",
        formatting.size(4 * 2**30),
        "web",
        "shop",
        "rack=r7",
        "dedicated=gpu:NoSchedule",
        "Debian 12",
    ):
        assert word in text
    assert reverse("clusters:host", args=[host.name]) in text
    assert "Lab" in text


def test_a_node_shows_what_it_can_carry_and_leaves_out_what_it_has_none_of(see):
    raw = raw_node("w1")
    raw["status"]["capacity"] |= {"hugepages-1Gi": "0", "example.com/gpu": "4"}
    make_nodes(make_cluster(), raw)
    text = see("node", "dev", "w1")
    assert text.index(">cpu<") < text.index(">memory<") < text.index(">example.com/gpu<")
    assert "hugepages" not in text


def test_a_node_page_without_an_answer_shows_what_is_known_and_says_what_is_not(see, kube):
    make_nodes(make_cluster(), raw_node("w1"))
    kube.down = ClusterUnreachable("The cluster's API server does not answer.", "no answer in time")
    text = see("node", "dev", "w1")
    assert "The pods could not be read" in text
    assert "no answer in time" in text
    assert "MemoryPressure" in text


def test_a_node_that_is_gone_is_not_found(see):
    make_cluster()
    see("node", "dev", "w9", status=404)


# --- planned and real ----------------------------------------------------------------------------


def test_an_agreeing_cluster_says_so(see):
    cluster = make_cluster(deployed_revision=1)
    make_plan(cluster, pools=[{"name": "main", "hosts": ["w1"]}])
    make_host("w1", address="192.0.2.5", cluster=cluster, role="worker", pool="main")
    make_nodes(cluster, raw_node("w1"))
    assert "Everything is as planned" in see("compare", "dev")


def test_each_difference_comes_with_its_remedy(see):
    cluster = make_cluster(deployed_revision=1)
    make_plan(cluster, pools=[{"name": "main", "hosts": ["w1", "w2", "w3"], "labels": {"tier": "front"}}])
    make_host("w1", address="192.0.2.5", cluster=cluster, role="worker", pool="main")
    make_host("w2", address="192.0.2.6", cluster=cluster, role="worker", pool="main")
    make_nodes(cluster, raw_node("w1", version="v1.33.9"), raw_node("stray"))
    text = see("compare", "dev")
    for said in (
        "w1 runs 1.33.9 instead of 1.34.4.",
        "w1 has the label tier=– instead of front.",
        "w2 is planned, but is no node of the cluster.",
        "w3 is in the plan, but was not deployed yet.",
        "stray is a node, but no host of the plan.",
        "Deploy the cluster again",
    ):
        assert said in text


def test_a_newer_plan_than_the_deployed_one_is_a_drift(see):
    cluster = make_cluster(deployed_revision=1)
    make_plan(cluster)
    make_plan(cluster, number=2)
    assert "The newest plan is revision 2, revision 1 is deployed." in see("compare", "dev")


def test_an_imported_cluster_has_no_plan_to_compare_with(see):
    make_cluster(origin="imported")
    assert "There is no plan to compare with" in see("compare", "dev")
    assert "Planned and real" not in see("detail", "dev")


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (["w1", "w2"], "lines of 2 of 2 nodes arrive in the store"),
        (["w1"], "nothing arrives from w2: look at kcloud-log-shipper.service there"),
        (None, "the log store does not answer; lines wait on the nodes"),
    ],
)
def test_a_cluster_that_ships_says_whose_lines_arrive(see, kube, monkeypatch, heard, said):
    answer = None if heard is None else dict.fromkeys(heard, timezone.now())
    keeper = log_shipping.Keeper(lambda: None, lambda name: answer if name == "dev" else {})
    monkeypatch.setattr(log_shipping, "_KEEPERS", [keeper])
    cluster = make_cluster()
    make_nodes(cluster, raw_node("w1"), raw_node("w2"))
    assert "Log shipping" not in see("detail", "dev")
    cluster_secrets.put(cluster, log_shipping.SECRET, b"secret")
    assert said in see("detail", "dev")
