"""What Ansible is told: pod networks that never clash, frozen plans that come back the same, hostile values refused."""

import copy
import ipaddress
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.deploying import inventory
from clusters.deploying.inventory import Connection, InventoryInvalid
from tests.clusters import deployments

HOSTS = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), unique=True, max_size=40)


@given(hosts=HOSTS, data=st.data(), prefix=st.integers(min_value=16, max_value=18))
def test_each_host_gets_a_pod_network_of_its_own_inside_the_clusters(hosts, data, prefix):
    network = ipaddress.IPv4Network((int(ipaddress.IPv4Address("10.244.0.0")), prefix))
    shares = [str(share) for share in inventory.list_of_shares(network)]
    stays = data.draw(st.sets(st.sampled_from(hosts))) if hosts else set()
    places = data.draw(st.permutations(shares))
    kept = dict(zip(sorted(stays), places, strict=False))
    assigned = inventory.assign_pod_networks(str(network), hosts, kept)
    assert list(assigned) == hosts
    assert len(set(assigned.values())) == len(hosts)
    assert all(ipaddress.IPv4Network(share).subnet_of(network) for share in assigned.values())
    assert all(assigned[host] == share for host, share in kept.items())


@given(hosts=HOSTS)
def test_assigning_again_changes_nothing(hosts):
    once = inventory.assign_pod_networks("10.244.0.0/16", hosts, {})
    assert inventory.assign_pod_networks("10.244.0.0/16", hosts, once) == once


def test_a_host_that_left_gives_its_network_to_the_next_one():
    kept = {"w1": "10.244.1.0/24", "w3": "10.244.3.0/24"}
    assert inventory.assign_pod_networks("10.244.0.0/16", ["w1", "w3", "w4"], kept)["w4"] == "10.244.2.0/24"


@pytest.mark.parametrize("cidr", ["10.244.0.0/24", "10.244.0.0/25", "10.244.0.0/23"])
def test_a_full_pod_network_is_refused_by_its_field(cidr):
    with pytest.raises(InventoryInvalid, match=r"network\.pod_cidr"):
        inventory.assign_pod_networks(cidr, ["w1", "w2", "w3"], {})


def test_a_small_pod_network_has_room_for_one_node():
    assert inventory.assign_pod_networks("10.244.0.0/24", ["w1"], {}) == {"w1": "10.244.0.0/24"}


@pytest.mark.parametrize("masters", [1, 3])
def test_a_frozen_deployment_comes_back_the_same(masters):
    deployment = deployments.make(masters)
    frozen = json.loads(json.dumps(inventory.dump(deployment)))
    assert inventory.load(frozen) == deployment


HOSTILE = [
    ("name", "w1; rm -rf /"),
    ("name", "{{ lookup('pipe', 'id') }}"),
    ("name", "W1"),
    ("name", "w1\n"),
    ("name", "-w1"),
    ("name", "a" * 64),
    ("address", "10.0.0.11 -oProxyCommand=id"),
    ("address", "::1"),
    ("address", "{{ evil }}"),
    ("port", 0),
    ("port", 70000),
    ("port", "22 -o x"),
    ("role", "root"),
    ("pool", "elsewhere"),
    ("pod_cidr", "10.244.1.0/24; reboot"),
    ("pod_cidr", "10.99.1.0/24"),
    ("pod_cidr", ""),
    ("cgroup_version", 3),
    ("ansible_connection", "local"),
]


@pytest.mark.parametrize(("field", "value"), HOSTILE, ids=[f"{f}={v!r:.20}" for f, v in HOSTILE])
def test_a_hostile_member_is_refused(field, value):
    data = inventory.dump(deployments.make())
    data["members"][1][field] = value
    with pytest.raises(InventoryInvalid):
        inventory.load(data)


PLAN = [
    ("version", "1.34.4; id"),
    ("name", "{{ 1 }}"),
    ("region", "$(id)"),
    ("masters", ["m1 --extra-vars x"]),
]


@pytest.mark.parametrize(("field", "value"), PLAN)
def test_a_hostile_plan_is_refused(field, value):
    data = copy.deepcopy(inventory.dump(deployments.make()))
    data["spec"][field] = value
    with pytest.raises(InventoryInvalid):
        inventory.load(data)


def test_two_members_with_one_address_are_refused():
    data = inventory.dump(deployments.make())
    data["members"][2]["address"] = data["members"][1]["address"]
    with pytest.raises(InventoryInvalid, match=r"w2.*twice"):
        inventory.load(data)


def test_two_workers_with_one_pod_network_are_refused():
    data = inventory.dump(deployments.make())
    data["members"][2]["pod_cidr"] = data["members"][1]["pod_cidr"]
    with pytest.raises(InventoryInvalid, match="pod_cidr"):
        inventory.load(data)


def test_a_deployment_without_a_master_is_refused():
    data = inventory.dump(deployments.make())
    data["members"] = data["members"][1:]
    with pytest.raises(InventoryInvalid, match="master"):
        inventory.load(data)


def test_the_inventory_holds_ways_to_hosts_and_nothing_of_the_plan():
    deployment = deployments.make()
    made = inventory.ansible_inventory(deployment, deployments.connections(deployment))["all"]
    assert made["hosts"]["w1"] == {
        "ansible_host": "10.0.0.11",
        "ansible_port": 22,
        "ansible_user": "kcloud",
        "ansible_become": True,
        "ansible_ssh_common_args": "-F /dev/null",
        "ansible_ssh_private_key_file": "/keys/w1",
    }
    assert set(made["children"]["masters"]["hosts"]) == {"m1"}
    assert set(made["children"]["workers"]["hosts"]) == {"w1", "w2"}


def test_hosts_without_a_connection_are_left_out():
    deployment = deployments.make()
    ways = deployments.connections(deployment)
    del ways["w2"]
    made = inventory.ansible_inventory(deployment, ways)["all"]
    assert set(made["hosts"]) == {"m1", "w1"}
    assert set(made["children"]["workers"]["hosts"]) == {"w1"}


def test_root_needs_no_sudo_and_a_password_no_key():
    deployment = deployments.make()
    ways = {**deployments.connections(deployment), "w1": Connection("root", password="p w")}
    host = inventory.ansible_inventory(deployment, ways)["all"]["hosts"]["w1"]
    assert host["ansible_become"] is False
    assert host["ansible_password"] == "p w"
    assert "ansible_ssh_private_key_file" not in host


@pytest.mark.parametrize("user", ["root -o ProxyCommand=id", "{{ x }}", "", "Kcloud", "a" * 33])
def test_a_hostile_user_name_is_refused(user):
    deployment = deployments.make()
    ways = {**deployments.connections(deployment), "w1": Connection(user)}
    with pytest.raises(InventoryInvalid, match="w1"):
        inventory.ansible_inventory(deployment, ways)


def test_every_host_routes_to_every_other_worker_and_not_to_itself():
    told = inventory.variables(deployments.make(workers=3))["hosts"]
    assert [route["via"] for route in told["m1"]["routes"]] == ["10.0.0.11", "10.0.0.12", "10.0.0.13"]
    assert [route["via"] for route in told["w2"]["routes"]] == ["10.0.0.11", "10.0.0.13"]


def test_another_worker_changes_nothing_but_routes_for_the_others():
    few, more = inventory.variables(deployments.make()), inventory.variables(deployments.make(workers=3))
    assert few["cluster"] == more["cluster"]
    for name, host in few["hosts"].items():
        assert {key for key in host if host[key] != more["hosts"][name][key]} == {"routes"}


def test_workers_reach_several_masters_through_their_own_loopback():
    assert inventory.workers_api(deployments.make(1)) == "https://10.0.0.1:6443"
    assert inventory.workers_api(deployments.make(3)) == "https://127.0.0.1:6443"


def test_the_store_knows_all_its_members():
    cluster = inventory.variables(deployments.make(3))["cluster"]
    assert (
        cluster["initial_cluster"]
        == "m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380"
    )
    assert cluster["highly_available"] is True
    assert inventory.variables(deployments.make(1))["cluster"]["highly_available"] is False


def test_taints_of_a_pool_reach_its_workers_only():
    told = inventory.variables(deployments.make())["hosts"]
    assert told["w1"]["taints"] == [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
    assert "taints" not in told["m1"]


def test_the_input_hash_follows_its_parts():
    data = inventory.dump(deployments.make())
    other = inventory.dump(deployments.make(network={"proxy_mode": "nftables"}))
    assert inventory.input_hash(data, "recipe") == inventory.input_hash(copy.deepcopy(data), "recipe")
    assert inventory.input_hash(data, "recipe") != inventory.input_hash(other, "recipe")
    assert inventory.input_hash(data, "recipe") != inventory.input_hash(data, "another")
