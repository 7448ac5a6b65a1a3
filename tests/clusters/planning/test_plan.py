"""A plan is data: whatever is given, `parse` answers a plan that keeps every rule, or every problem by its field."""

import re
from ipaddress import IPv4Network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusters.planning import plan
from clusters.planning.networks import (
    free_network,
    overlapping,
    prefix_for_nodes,
    private_range,
    rooms_for_nodes,
)
from clusters.planning.placement import natural, place, resolve_pools
from clusters.planning.plan import PlanInvalid, parse, to_data
from clusters.planning.quorum import loss_of, quorum, region_losses, tolerated, worst_host_loss


def data(**changes):
    return {
        "name": "prod",
        "region": "east",
        "version": "1.34.4",
        "masters": ["m1"],
        "pools": [{"name": "workers", "hosts": ["w1", "w2"]}],
        **changes,
    }


def refused(given_data):
    with pytest.raises(PlanInvalid) as caught:
        parse(given_data)
    return caught.value.problems


def problems_in(given_data):
    """What parse says of it; [] when it is a plan."""
    try:
        parse(given_data)
    except PlanInvalid as invalid:
        return invalid.problems or ["an error without a problem"]
    return []


def codes(given_data):
    return {(problem.path, problem.code) for problem in refused(given_data)}


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


# --- masters ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "majority", "may_be_lost"),
    [(1, 1, 0), (2, 2, 0), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, 4, 3)],
)
def test_quorum_table(members, majority, may_be_lost):
    assert (quorum(members), tolerated(members)) == (majority, may_be_lost)


@settings(deadline=None)
@given(st.integers(1, 1000))
def test_an_even_number_never_tolerates_more_than_one_fewer(n):
    assert tolerated(2 * n) == tolerated(2 * n - 1)


@pytest.mark.parametrize("count", [1, 3])
def test_one_or_three_masters_are_taken(count):
    masters = [f"m{n}" for n in range(count)]
    assert parse(data(masters=masters)).masters == tuple(masters)


@pytest.mark.parametrize(
    ("count", "code", "words"),
    [
        (0, "required", "no master"),
        (2, "even", "2 masters need 2 for a majority, so losing either stops the cluster: no better than 1."),
        (4, "even", "4 masters need 3 for a majority, so 1 may be lost: no better than 3."),
        (5, "unsupported", "5 masters are not supported"),
        (6, "even", "6 masters need 4 for a majority, so 2 may be lost: no better than 5."),
    ],
)
def test_other_numbers_of_masters_are_refused_with_the_arithmetic(count, code, words):
    problem = refused(data(masters=[f"m{n}" for n in range(count)]))[0]
    assert (problem.path, problem.code) == ("masters", code)
    assert words in problem.message


def test_losing_the_only_master_stops_the_control_but_not_the_workers():
    loss = worst_host_loss(["m1"], ["w1", "w2"])
    assert (loss.what, loss.control_plane, loss.applications) == ("m1", False, True)


def test_three_masters_survive_any_one_host():
    assert worst_host_loss(["m1", "m2", "m3"], ["w1", "w2"]).control_plane


def test_losing_a_region_counts_what_stands_in_it():
    regions = {"m1": "east", "m2": "east", "m3": "west", "w1": "west"}
    east, west = region_losses(regions, ["m1", "m2", "m3"], ["w1"])
    assert (east.what, east.masters_lost, east.control_plane, east.applications) == ("east", 2, False, True)
    assert (west.what, west.control_plane, west.applications) == ("west", True, False)


@settings(deadline=None)
@given(st.sets(st.integers(0, 9)), st.integers(1, 7), st.integers(0, 5))
def test_a_loss_takes_exactly_what_is_gone(gone, masters, workers):
    names = [f"m{n}" for n in range(masters)], [f"w{n}" for n in range(workers)]
    loss = loss_of("x", {f"m{n}" for n in gone}, *names)
    assert loss.masters_lost + loss.masters_left == masters
    assert loss.workers_left == workers
    assert loss.control_plane == (loss.masters_lost <= tolerated(masters))


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


# --- placement --------------------------------------------------------------------------------------------


def spec(*pools, masters=("m1",)):
    return parse(data(masters=list(masters), pools=list(pools)))


def test_counted_pools_take_spare_hosts_in_natural_order():
    wanted = spec({"name": "a", "count": 2}, {"name": "b", "count": 1})
    assert resolve_pools(wanted, ["h10", "h2", "h1", "m1"]) == {"a": ("h1", "h2"), "b": ("h10",)}


def test_named_hosts_come_first_and_are_taken_by_no_count():
    wanted = spec({"name": "a", "count": 1}, {"name": "b", "hosts": ["h1"], "count": 1})
    assert resolve_pools(wanted, ["h1", "h2", "h3"]) == {"a": ("h2",), "b": ("h1", "h3")}


def test_hosts_that_serve_a_pool_stay_in_it():
    wanted = spec({"name": "a", "count": 2})
    assert resolve_pools(wanted, ["h1"], {"h9": "a"}) == {"a": ("h9", "h1")}


def test_too_few_spare_hosts_are_refused_with_the_sum():
    with pytest.raises(PlanInvalid, match="ask for 3 spare hosts of region east, and there are 1: 2 too few"):
        resolve_pools(spec({"name": "a", "count": 3}), ["h1"])


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.sets(st.integers(0, 30), max_size=20),
    st.randoms(use_true_random=False),
)
def test_placement_is_the_same_for_any_order_and_gives_no_host_twice(counts, spare, random):
    wanted = spec(*({"name": f"p{n}", "count": count} for n, count in enumerate(counts)))
    names = [f"h{n}" for n in spare]
    shuffled = random.sample(names, len(names))
    found = place(wanted, names)
    assert found == place(wanted, shuffled)
    given_out = [host for hosts in found.pools.values() for host in hosts]
    assert len(given_out) == len(set(given_out)) == min(sum(counts), len(names))
    assert found.missing == sum(counts) - len(given_out)


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sets(st.integers(0, 30), min_size=12, max_size=20)
)
def test_placing_again_what_was_placed_moves_nobody(counts, spare):
    wanted = spec(*({"name": f"p{n}", "count": count} for n, count in enumerate(counts)))
    names = {f"h{n}" for n in spare}
    first = place(wanted, names)
    again = place(wanted, names - set(first.workers), first.workers)
    assert again.workers == first.workers


def test_natural_order_counts():
    assert sorted(["w10", "w2", "w1", "w2a", "x"], key=natural) == ["w1", "w2", "w2a", "w10", "x"]


# --- networks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("", "network"),
        ("10.244.0.0", "network"),
        ("10.244.0.0/33", "network"),
        ("10.244.0.1/16", "network"),
        ("fd00::/48", "network"),
        ("10.244.0.0/16 ", "network"),
        ("8.8.0.0/16", "public"),
        ("10.0.0.0/7", "public"),
        ("0.0.0.0/0", "public"),
        ("172.16.0.0/11", "network"),
        ("10.244.0.0/24", "size"),
        ("10.96.128.0/17", "overlap"),
        ("１０.0.0.0/16", "network"),
    ],
)
def test_pod_networks_are_refused_for_a_reason(cidr, code):
    assert codes(data(network={"pod_cidr": cidr})) == {("network.pod_cidr", code)}


def test_an_overlap_names_a_free_network():
    problem = refused(data(network={"pod_cidr": "10.96.0.0/14"}))[0]
    assert problem.message == "10.96.0.0/14 contains the service network 10.96.0.0/16."
    assert problem.remedy == "Free here: 10.100.0.0/14."


def test_an_address_with_host_bits_is_answered_with_what_was_meant():
    assert refused(data(network={"pod_cidr": "10.244.1.7/16"}))[0].remedy == "Did you mean 10.244.0.0/16?"


@pytest.mark.parametrize(
    ("cidr", "fits"), [("10.96.0.0/12", True), ("10.96.0.0/24", True), ("10.96.0.0/25", False)]
)
def test_a_service_network_lies_between_12_and_24(cidr, fits):
    wanted = data(network={"service_cidr": cidr, "pod_cidr": "192.168.0.0/16"})
    if fits:
        assert parse(wanted).network.service_cidr == cidr
    else:
        assert codes(wanted) == {("network.service_cidr", "size")}


def test_a_pod_network_must_hold_a_24_for_every_node():
    workers = [f"w{n}" for n in range(4)]
    problem = refused(data(pools=[{"name": "a", "hosts": workers}], network={"pod_cidr": "10.244.0.0/22"}))[0]
    assert problem.message == "10.244.0.0/22 has room for 4 nodes with a /24 each; the plan has 5."
    assert problem.remedy == "Use a /21 or larger."


@settings(deadline=None)
@given(st.integers(1, 1000))
def test_the_prefix_for_nodes_is_the_smallest_network_that_holds_them(nodes):
    prefix = prefix_for_nodes(nodes)
    assert rooms_for_nodes(IPv4Network((0, prefix))) >= nodes
    assert nodes == 1 or rooms_for_nodes(IPv4Network((0, prefix + 1))) < nodes


def networks(lowest=8):
    ranges = st.sampled_from(
        [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]
    )

    def inside(range_, prefix, place):
        prefix = max(prefix, range_.prefixlen)
        step = 1 << (32 - prefix)
        return IPv4Network(
            (int(range_.network_address) + place % (range_.num_addresses // step) * step, prefix)
        )

    return st.builds(inside, ranges, st.integers(lowest, 26), st.integers(0, 2**20))


@settings(deadline=None)
@given(networks(), st.lists(networks(), max_size=12))
def test_a_suggested_network_is_really_free_private_and_of_the_wanted_size(wanted, taken):
    free = free_network(wanted, taken)
    if free is not None:
        assert overlapping(free, taken) is None
        assert free.prefixlen == wanted.prefixlen
        assert private_range(free) is not None


@settings(deadline=None)
@given(networks(), st.lists(networks(), max_size=12))
def test_what_is_free_already_is_suggested_itself(wanted, taken):
    if overlapping(wanted, taken) is None:
        assert free_network(wanted, taken) == wanted


@settings(deadline=None)
@given(networks(lowest=14), st.lists(networks(lowest=18), max_size=6))
def test_a_small_need_in_a_large_range_is_always_met(wanted, taken):
    assert free_network(wanted, taken) is not None


def test_when_everything_is_taken_no_network_is_suggested():
    everything = [
        IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
    ]
    assert free_network(IPv4Network("10.244.0.0/16"), everything) is None


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
names = st.from_regex(re.compile(r"[a-z]([-a-z0-9]{0,8}[a-z0-9])?"), fullmatch=True)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=8), anything, max_size=10) | anything)
def test_whatever_is_given_parse_answers_a_plan_or_names_problems(given_data):
    for problem in problems_in(given_data):
        assert problem.message


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FIELDS), anything)
def test_one_wrong_field_in_a_good_plan_is_blamed_on_that_field(field, value):
    blamed = {problem.path.split(".")[0] for problem in problems_in(data(**{field: value}))}
    # A host list may clash with the other list of hosts, or make the network too small.
    assert blamed <= {field, "pools", "network"}


@st.composite
def plans(draw):
    hosts = draw(st.lists(names, min_size=5, max_size=14, unique=True))
    masters = draw(st.sampled_from([1, 3]))
    workers = hosts[masters:]
    cut = draw(st.integers(1, len(workers)))
    labels = st.dictionaries(names, names, max_size=3)
    pools = [{"name": "a", "hosts": workers[:cut], "labels": draw(labels), "count": draw(st.integers(0, 3))}]
    if workers[cut:]:
        pools.append(
            {"name": "b", "hosts": workers[cut:], "taints": [{"key": draw(names), "effect": "NoExecute"}]}
        )
    window = st.none() | st.fixed_dictionaries({"day": st.integers(0, 6), "hours": st.integers(1, 24)})
    return parse(
        data(
            masters=hosts[:masters],
            pools=pools,
            version=f"1.{draw(st.integers(20, 40))}.{draw(st.integers(0, 30))}",
            network={
                "pod_cidr": f"10.{draw(st.integers(128, 250))}.0.0/16",
                "proxy_mode": draw(st.sampled_from(["iptables", "nftables"])),
            },
            maintenance_window=draw(window),
        )
    )


@settings(deadline=None)
@given(plans())
def test_a_plan_survives_the_way_to_json_and_back(one):
    assert parse(to_data(one)) == one


@settings(deadline=None)
@given(plans())
def test_every_accepted_plan_keeps_the_invariants(one):
    assert len(one.masters) in (1, 3)
    workers = [host for pool in one.pools for host in pool.hosts]
    assert not set(one.masters) & set(workers)
    assert len(workers) == len(set(workers))
    pods, services = IPv4Network(one.network.pod_cidr), IPv4Network(one.network.service_cidr)
    assert not pods.overlaps(services)
    assert rooms_for_nodes(pods) >= len(one.masters) + plan.worker_count(one.pools)


def unordered(one):
    return {**to_data(one), "pools": sorted(to_data(one)["pools"], key=lambda pool: pool["name"])}


@settings(deadline=None)
@given(plans(), plans())
def test_applying_the_difference_gives_the_new_plan(old, new):
    from clusters.planning.difference import apply, difference

    assert unordered(apply(old, difference(old, new))) == unordered(new)


@settings(deadline=None)
@given(plans())
def test_a_plan_differs_from_itself_in_nothing(one):
    from clusters.planning.difference import difference

    assert difference(one, one) == []


@settings(deadline=None)
@given(plans(), plans())
def test_the_difference_backwards_is_the_same_with_sides_exchanged(old, new):
    from clusters.planning.difference import difference

    forwards = [(change.path, change.before, change.after) for change in difference(old, new)]
    backwards = [(change.path, change.after, change.before) for change in difference(new, old)]
    assert forwards == backwards


def test_a_difference_names_pools_and_is_in_the_order_of_the_plan():
    from clusters.planning.difference import difference

    old = spec({"name": "a", "hosts": ["w1"]})
    new = spec({"name": "b", "hosts": ["w2"]}, {"name": "a", "hosts": ["w1"], "count": 2}, masters=["m2"])
    changes = [(change.path, change.sign) for change in difference(old, new)]
    assert changes[:2] == [("masters", "change"), ("pools.a.count", "change")]
    assert ("pools.b.hosts", "add") in changes


def test_values_of_a_difference_read_as_text():
    from clusters.planning.difference import Change

    change = Change("pools.a.labels", {"disk": "ssd"}, {})
    assert (change.before_text, change.after_text) == ("disk=ssd", "–")
    assert Change("x", ["a", "b"], [{"key": "k", "value": ""}]).after_text == "key=k, value="


@settings(deadline=None, max_examples=25)
@given(plans())
def test_a_plan_survives_the_way_to_yaml_and_back(one):
    from clusters.planning import plan_yaml

    assert parse(plan_yaml.load(plan_yaml.dump(to_data(one)))) == one


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_as_yaml_or_refused(text):
    from clusters.planning import plan_yaml

    try:
        found = plan_yaml.load(text)
    except PlanInvalid as invalid:
        found = {problem.code: problem for problem in invalid.problems}
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x\n",
        "a: !!int '7'",
        "a: !x 7",
        "x" * 200_001,
        "- 1",
        "",
        "a: [",
        "a: b: c",
        "? ? ? ?\n" * 3000,
    ],
    ids=lambda text: text[:12],
)
def test_yaml_that_could_do_harm_is_refused(text):
    from clusters.planning import plan_yaml

    with pytest.raises(PlanInvalid):
        plan_yaml.load(text)
