"""A plan is data: whatever is given, `parse` answers a plan that keeps every rule, or every problem by its field."""

from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.planning import plan
from clusters.planning.networks import rooms_for_nodes
from clusters.planning.plan import parse, to_data
from tests.clusters.planning.plans import codes, data, plans, problems_in, refused

# --- shapes -----------------------------------------------------------------------------------------------


def test_the_smallest_plan_has_the_usual_networks_and_nothing_else():
    spec = parse(data())
    assert (spec.network.pod_cidr, spec.network.service_cidr) == ("10.244.0.0/16", "10.96.0.0/16")
    assert (spec.storage.default_class, spec.runtime, spec.addons) == ("none", "containerd", ("coredns",))
    assert spec.maintenance_window is None


@pytest.mark.parametrize("nonsense", [None, 7, "text", [], [data()], True, {1: 2}])
def test_what_is_no_plan_at_all_is_refused_and_says_why(nonsense):
    problems = refused(nonsense)
    assert all(problem.message for problem in problems)
    assert all(problem.remedy for problem in problems)


def test_every_shape_problem_is_found_at_once():
    assert codes({"name": 1, "masters": "m1", "pools": [7, {"x": 1}], "surprise": 1, "network": []}) == {
        ("name", "type"),
        ("region", "required"),
        ("version", "required"),
        ("masters", "type"),
        ("pools.0", "shape"),
        ("pools.1.name", "required"),
        ("pools.1.x", "unknown"),
        ("network", "shape"),
        ("surprise", "unknown"),
    }


def test_every_broken_rule_is_found_at_once():
    broken = data(
        name="new",
        masters=["m1", "w1"],
        network={"pod_cidr": "10.96.0.0/14", "proxy_mode": "ipvs", "node_ports": "1-2"},
        addons=["dashboard"],
        maintenance_window={"hours": 99},
    )
    assert codes(broken) == {
        ("name", "reserved"),
        ("masters", "even"),
        ("pools.0.hosts", "role"),
        ("network.pod_cidr", "overlap"),
        ("network.proxy_mode", "unsupported"),
        ("network.node_ports", "ports"),
        ("addons", "choice"),
        ("maintenance_window.hours", "hours"),
    }


# --- names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "prod", "gz-prod-02", "0", "a" * 40])
def test_names_that_may_name_a_cluster(name):
    assert parse(data(name=name)).name == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", "a-", "A", "a_b", "a.b", "a" * 41, "ä", "a b", "a\n", "new", "import", "../x", "a/b", "а"],
)
def test_names_that_may_not(name):
    assert {problem.path for problem in refused(data(name=name))} == {"name"}


@pytest.mark.parametrize(
    "version", ["", "1.34", "v1.34.4", "1.34.4-rc1", "1.034.4", "latest", "1.34.4\n", "1.3.4.5", "١.٢.٣"]
)
def test_versions_are_three_plain_numbers(version):
    assert codes(data(version=version)) == {("version", "version")}


def test_hostile_text_in_a_message_is_one_short_printable_line():
    problem = refused(data(name="\x1b[31m" + "x" * 5000 + "\n\u202e"))[0]
    assert len(problem.message) < 120
    assert problem.message.isprintable()


# --- pools ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        ([], {("pools", "required")}),
        ([{"name": "a", "count": 0}], {("pools", "required"), ("pools.0.hosts", "empty")}),
        ([{"name": "a", "count": -1, "hosts": ["w1"]}], {("pools.0.count", "count")}),
        ([{"name": "A", "hosts": ["w1"]}], {("pools.0.name", "name")}),
        ([{"name": "a", "hosts": ["w1", "w1"]}], {("pools.0.hosts", "twice")}),
        ([{"name": "a", "hosts": ["w1"]}, {"name": "a", "hosts": ["w2"]}], {("pools.1.name", "twice")}),
        ([{"name": "a", "hosts": ["w1"]}, {"name": "b", "hosts": ["w1"]}], {("pools.1.hosts", "twice")}),
        ([{"name": "a", "hosts": ["m1", "w1"]}], {("pools.0.hosts", "role")}),
        ([{"name": "a", "hosts": ["W 1"]}], {("pools.0.hosts", "host")}),
        ([{"name": f"p{n}", "hosts": [f"w{n}"]} for n in range(51)], {("pools", "size")}),
        ([{"name": "a", "count": 1001}], {("pools", "size"), ("network.pod_cidr", "size")}),
    ],
)
def test_pools_are_refused_for_a_reason(pools, expected):
    assert codes(data(pools=pools)) == expected


@pytest.mark.parametrize(
    "key", ["disk", "example.com/disk", "a.b-c_d", "X1", "my.kubernetes.io.example.com/x"]
)
def test_keys_that_may_label_a_node(key):
    assert parse(data(pools=[{"name": "a", "hosts": ["w1"], "labels": {key: "v"}}])).pools[0].labels == {
        key: "v"
    }


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("", "key"),
        ("-a", "key"),
        ("a b", "key"),
        ("/a", "key"),
        ("Example.com/a", "key"),
        ("a/b/c", "key"),
        ("a" * 64, "key"),
        ("kubernetes.io/x", "reserved"),
        ("node-role.kubernetes.io/master", "reserved"),
        ("k8s.io/x", "reserved"),
    ],
)
def test_keys_that_may_not(key, code):
    label = data(pools=[{"name": "a", "hosts": ["w1"], "labels": {key: "v"}}])
    taint = data(pools=[{"name": "a", "hosts": ["w1"], "taints": [{"key": key}]}])
    assert codes(label) == {("pools.0.labels", code)}
    assert codes(taint) == {("pools.0.taints", code)}


@pytest.mark.parametrize("value", ["-a", "a b", "ü", "a" * 64, "a/b"])
def test_values_that_may_not_label_a_node(value):
    assert codes(data(pools=[{"name": "a", "hosts": ["w1"], "labels": {"k": value}}])) == {
        ("pools.0.labels", "value")
    }


def test_a_taint_has_one_of_three_effects_and_no_twin():
    taints = [{"key": "a", "effect": "Never"}, {"key": "b"}, {"key": "b", "value": "other"}]
    assert codes(data(pools=[{"name": "a", "hosts": ["w1"], "taints": taints}])) == {
        ("pools.0.taints", "choice"),
        ("pools.0.taints", "twice"),
    }


# --- ports, domains, proxies, windows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "ports", ["", "30000", "32767-30000", "80-90", "30000-70000", "a-b", "30000-30000", "-1-5", "３-４"]
)
def test_node_ports_are_a_range_of_two_ports(ports):
    assert codes(data(network={"node_ports": ports})) == {("network.node_ports", "ports")}


def test_node_ports_may_not_hold_a_component_port():
    assert "6443" in refused(data(network={"node_ports": "6000-7000"}))[0].message


@pytest.mark.parametrize("domain", ["", "Cluster.local", "cluster..local", ".local", "a b", "x" * 101])
def test_dns_domains_are_refused(domain):
    assert codes(data(network={"dns_domain": domain})) == {("network.dns_domain", "domain")}


@pytest.mark.parametrize(("mode", "code"), [("ipvs", "unsupported"), ("userspace", "choice"), ("", "choice")])
def test_proxy_modes_are_refused_for_a_reason(mode, code):
    assert codes(data(network={"proxy_mode": mode})) == {("network.proxy_mode", code)}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("day", 7),
        ("day", -1),
        ("start", "25:00"),
        ("start", "2:00"),
        ("hours", 0),
        ("time_zone", "Mars/Olympus"),
    ],
)
def test_maintenance_windows_are_refused_by_field(field, value):
    assert {path for path, _code in codes(data(maintenance_window={field: value}))} == {
        f"maintenance_window.{field}"
    }


# --- algebra ----------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = plan.PlanSpec.__struct_fields__


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), anything, max_size=10) | anything)
def test_whatever_is_given_parse_answers_a_plan_or_names_problems(given_data):
    for problem in problems_in(given_data):
        assert problem.message


@settings(max_examples=150)
@given(st.sampled_from(FIELDS), anything)
def test_one_wrong_field_in_a_good_plan_is_blamed_on_that_field(field, value):
    blamed = {problem.path.split(".")[0] for problem in problems_in(data(**{field: value}))}
    # A host list may clash with the other list of hosts, or make the network too small.
    assert blamed <= {field, "pools", "network"}


@given(plans())
def test_a_plan_survives_the_way_to_json_and_back(one):
    assert parse(to_data(one)) == one


@given(plans())
def test_every_accepted_plan_keeps_the_invariants(one):
    assert len(one.masters) in (1, 3)
    workers = [host for pool in one.pools for host in pool.hosts]
    assert not set(one.masters) & set(workers)
    assert len(workers) == len(set(workers))
    pods, services = IPv4Network(one.network.pod_cidr), IPv4Network(one.network.service_cidr)
    assert not pods.overlaps(services)
    assert rooms_for_nodes(pods) >= len(one.masters) + plan.worker_count(one.pools)
