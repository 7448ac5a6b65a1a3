"""What a lab shall be: names, addresses, refusals and what is to be done. Pure."""

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.lab import plan
from clusters.lab.errors import InvalidLab

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)
SUBNETS = st.builds(
    lambda length, number: IPv4Network((int(IPv4Address("172.16.0.0")) + (number << (32 - length)), length)),
    st.integers(20, 29),
    st.integers(0, 255),
)


def host(name="h1", address="172.30.0.11"):
    return plan.HostPlan(name=name, address=address, container=f"kcloud-demo-{name}")


def seen(state="running", attached=True, name="h1"):
    return plan.Observed(name=name, state=state, started_at="", attached=attached)


def test_the_default_lab_is_five_hosts_from_eleven_on():
    lab = plan.spec()
    assert [(one.name, one.address) for one in plan.host_plans(lab)] == [
        ("h1", "172.30.0.11"), ("h2", "172.30.0.12"), ("h3", "172.30.0.13"),
        ("h4", "172.30.0.14"), ("h5", "172.30.0.15"),
    ]  # fmt: skip


def test_containers_carry_the_lab_and_the_host_in_their_name():
    lab = plan.spec(name="t-lab", hosts=1, prefix="node-")
    assert plan.host_plans(lab)[0].container == "kcloud-t-lab-node-1"


@given(SUBNETS, st.integers(1, 300))
def test_addresses_are_distinct_usable_and_never_the_gateways(subnet, count):
    hosts = min(count, plan.capacity(subnet))
    addresses = [
        IPv4Address(one.address) for one in plan.host_plans(plan.spec(subnet=str(subnet), hosts=hosts))
    ]
    gateway = subnet.network_address + 1
    assert len(set(addresses)) == hosts
    assert all(address in subnet for address in addresses)
    assert not {subnet.network_address, subnet.broadcast_address, gateway} & set(addresses)


@given(SUBNETS, st.integers(1, 40))
def test_a_lab_that_grows_keeps_the_hosts_it_has(subnet, count):
    hosts = min(count, plan.capacity(subnet) - 1)
    before = plan.host_plans(plan.spec(subnet=str(subnet), hosts=hosts))
    after = plan.host_plans(plan.spec(subnet=str(subnet), hosts=hosts + 1))
    assert after[:-1] == before


@given(SUBNETS)
def test_a_subnet_holds_as_many_hosts_as_it_says_and_not_one_more(subnet):
    plan.spec(subnet=str(subnet), hosts=plan.capacity(subnet))
    with pytest.raises(InvalidLab) as refusal:
        plan.spec(subnet=str(subnet), hosts=plan.capacity(subnet) + 1)
    assert refusal.value.field == "hosts"


@given(NAMES)
def test_an_interface_name_fits_what_the_kernel_takes(name):
    assert len(plan.bridge_name(name)) <= 15
    assert "/" not in plan.bridge_name(name)


@given(NAMES, NAMES)
def test_two_labs_never_share_an_interface(one, other):
    assert (plan.bridge_name(one) == plan.bridge_name(other)) == (one == other)


@pytest.mark.parametrize(
    ("field", "values", "says"),
    [
        ("name", {"name": "Demo"}, "'Demo' is not a lab name"),
        ("name", {"name": ""}, "is not a lab name"),
        ("name", {"name": "1st"}, "is not a lab name"),
        ("name", {"name": "a" * 21}, "up to 20"),
        ("name", {"name": "../etc"}, "is not a lab name"),
        ("name", {"name": "lab-"}, "is not a lab name"),
        ("name", {"name": "demo\n"}, "is not a lab name"),
        ("prefix", {"prefix": "Node"}, "cannot begin a host name"),
        ("prefix", {"prefix": ""}, "cannot begin a host name"),
        ("prefix", {"prefix": "-h"}, "cannot begin a host name"),
        ("hosts", {"hosts": 0}, "at least 1"),
        ("hosts", {"hosts": -3}, "at least 1"),
        ("hosts", {"hosts": 245}, "room for 244 hosts, not 245"),
        ("subnet", {"subnet": "172.30.0.1/24"}, "is not a network"),
        ("subnet", {"subnet": "nonsense"}, "is not a network"),
        ("subnet", {"subnet": "fd00::/64"}, "is not a network"),
        ("subnet", {"subnet": "8.8.8.0/24"}, "is not a private network"),
        ("subnet", {"subnet": "172.30.0.0/30"}, "too large or too small"),
        ("subnet", {"subnet": "10.0.0.0/8"}, "too large or too small"),
        ("memory", {"memory": "lots"}, "is not a size"),
        ("memory", {"memory": "0g"}, "is not a size"),
        ("cpus", {"cpus": 0.0}, "cannot be given"),
        ("cpus", {"cpus": float("nan")}, "cannot be given"),
    ],
)
def test_spec_refuses_by_field_with_a_remedy(field, values, says):
    with pytest.raises(InvalidLab) as refusal:
        plan.spec(**values)
    assert refusal.value.field == field
    assert says in str(refusal.value)
    assert refusal.value.remedy


def test_check_free_names_who_uses_the_network_and_one_that_is_free():
    taken = {IPv4Network("172.30.0.0/20"): "this machine's route by eth7"}
    with pytest.raises(InvalidLab) as refusal:
        plan.check_free(IPv4Network("172.30.2.0/24"), taken)
    assert "overlaps 172.30.0.0/20, used by this machine's route by eth7" in str(refusal.value)
    assert "'--subnet 172.30.16.0/24' is free" in refusal.value.remedy


def test_check_free_takes_a_network_nobody_uses():
    plan.check_free(IPv4Network("172.30.2.0/24"), {IPv4Network("172.30.3.0/24"): "lab 'other'"})


@given(st.lists(SUBNETS, max_size=8))
def test_a_suggested_network_overlaps_none_in_use(taken):
    free = plan.suggestion(taken)
    assert free is not None
    assert not any(free.overlaps(other) for other in taken)


def test_there_is_no_suggestion_when_all_is_taken():
    taken = {IPv4Network("172.16.0.0/12"): "lab 'all'"}
    assert plan.suggestion(taken) is None
    with pytest.raises(InvalidLab, match="Give another --subnet"):
        plan.check_free(IPv4Network("172.30.2.0/24"), taken)


def test_settle_gives_a_new_lab_the_next_free_network():
    taken = {IPv4Network("172.30.0.0/24"): "lab 'demo'"}
    lab = plan.settle(None, taken, name="second")
    assert (lab.subnet, lab.hosts, lab.prefix) == (IPv4Network("172.30.1.0/24"), 5, "h")


def test_settle_refuses_a_taken_network_that_was_asked_for():
    with pytest.raises(InvalidLab, match="used by lab 'demo'"):
        plan.settle(None, {IPv4Network("172.30.0.0/24"): "lab 'demo'"}, name="x", subnet="172.30.0.0/24")


def test_settle_leaves_what_is_not_said_as_it_is():
    existing = plan.spec(name="demo", hosts=3, subnet="10.9.0.0/24", prefix="n", memory="2g", cpus=1.5)
    assert plan.settle(existing, {}, name="demo") == existing


def test_settle_lets_a_lab_grow():
    existing = plan.spec(hosts=3)
    assert plan.settle(existing, {}, name="demo", hosts=4).hosts == 4


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("hosts", {"hosts": 2}),
        ("hosts", {"hosts": 0}),
        ("subnet", {"subnet": "172.31.0.0/24"}),
        ("prefix", {"prefix": "n"}),
        ("memory", {"memory": "1g"}),
        ("cpus", {"cpus": 2.0}),
    ],
)
def test_settle_refuses_to_change_what_a_lab_is(field, change):
    with pytest.raises(InvalidLab) as refusal:
        plan.settle(plan.spec(hosts=3), {}, name="demo", **change)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("observed", "todo"),
    [
        ({}, ["create"]),
        ({"h1": seen("running")}, None),
        ({"h1": seen("exited")}, ["start"]),
        ({"h1": seen("created")}, ["start"]),
        ({"h1": seen("dead")}, ["start"]),
        ({"h1": seen("paused")}, ["unpause"]),
        ({"h1": seen("running", attached=False)}, ["connect"]),
        ({"h1": seen("paused", attached=False)}, ["unpause", "connect"]),
        ({"h1": seen("exited", attached=False)}, ["connect", "start"]),
        ({"h2": seen("running", name="h2")}, ["create"]),
    ],
)
def test_actions_name_what_a_host_lacks_in_the_order_it_is_done(observed, todo):
    assert plan.actions([host()], observed) == ([(host(), todo)] if todo else [])


def test_a_lab_where_all_hosts_run_needs_nothing():
    plans = plan.host_plans(plan.spec(hosts=4))
    assert plan.actions(plans, {one.name: seen(name=one.name) for one in plans}) == []


def test_a_host_is_run_without_privileges_this_machine_may_not_have():
    lab = plan.spec(hosts=1)
    line = plan.run_arguments(lab, plan.host_plans(lab)[0], image="image:tag", public_key="ssh-ed25519 AAAA")
    assert "--privileged" not in line
    assert {"--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cgroupns=private"} <= set(line)
    assert {"--hostname=h1", "--ip=172.30.0.11", "--network=kcloud-demo", "--volume=/var"} <= set(line)
    assert "--env=LAB_AUTHORIZED_KEY=ssh-ed25519 AAAA" in line
    assert line[-1] == "image:tag"


def test_a_host_shares_no_folder_of_this_machine():
    lab = plan.spec(hosts=1)
    line = plan.run_arguments(lab, plan.host_plans(lab)[0], image="i", public_key="k")
    assert [word for word in line if word.startswith(("--volume", "--mount", "--pid", "--ipc"))] == [
        "--volume=/var"
    ]


@pytest.mark.parametrize(
    ("limits", "options"),
    [
        ({}, set()),
        ({"memory": "2g"}, {"--memory=2g"}),
        ({"cpus": 1.5}, {"--cpus=1.5"}),
        ({"memory": "512m", "cpus": 2.0}, {"--memory=512m", "--cpus=2.0"}),
    ],
)
def test_limits_are_given_only_when_asked_for(limits, options):
    lab = plan.spec(hosts=1, **limits)
    line = plan.run_arguments(lab, plan.host_plans(lab)[0], image="i", public_key="k")
    assert {word for word in line if word.startswith(("--memory", "--cpus"))} == options


def test_the_network_is_never_translated_to_the_outside():
    line = plan.network_arguments(plan.spec(name="demo"))
    assert "--opt=com.docker.network.bridge.enable_ip_masquerade=false" in line
    assert "--opt=com.docker.network.bridge.name=kl-demo" in line
    assert "--subnet=172.30.0.0/24" in line
    # An internal network would drop packets that hosts route for their pods.
    assert "--internal" not in line
