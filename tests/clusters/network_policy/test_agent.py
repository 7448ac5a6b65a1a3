"""The agent that keeps network policies, as the bundle has it: a real kernel, a real API server, real packets."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from django.utils import timezone

from clusters.manifests.network_policy import LEASES_PATH, WAY_LABEL
from clusters.observing.policies import guard
from tests.clusters import control_plane as real
from tests.clusters.network_policy import node as miniature
from tests.clusters.network_policy.node import GATEWAY, INSIDE, NODE, MiniatureNode, eventually, inside, run

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("iptables"), reason="network namespaces need root, and iptables"
)
DENY = {"policyTypes": ["Ingress"]}
DENY_OUT = {"policyTypes": ["Egress"]}
BOTH = pytest.mark.parametrize("protocol", ["TCP", "UDP"])


@pytest.fixture(scope="module")
def started(control_plane, tmp_path_factory):
    program = real.binaries() / "kcloud-network-policy"
    if not program.exists():
        pytest.skip("the bundle is from before the agent: manage.py bundle build")
    with MiniatureNode(control_plane, program, tmp_path_factory.mktemp("node")) as made:
        made.start()
        yield made


@pytest.fixture
def node(started):
    yield started
    started.clear()
    if started.agent.poll() is not None:
        started.start()


@BOTH
def test_without_a_policy_pods_reach_each_other_their_node_and_are_reached_by_it(node, protocol):
    one, two = node.pod("one"), node.pod("two", "blue")
    assert node.ask(one, two, protocol)
    assert node.ask(one, GATEWAY, protocol)
    assert node.ask("", one, protocol)


@BOTH
def test_what_a_policy_closes_is_closed_and_open_again_without_it(node, protocol):
    one, two = node.pod("one"), node.pod("two", "blue")
    node.policy("red", **DENY)
    eventually(lambda: not node.ask(two, one, protocol), node.log)
    assert node.ask(one, two, protocol), "only what comes in was closed"
    assert node.ask("", one, protocol), "the kubelet's probes are always let in"
    node.policy("red")
    eventually(lambda: node.ask(two, one, protocol), node.log)


def test_a_rule_opens_to_whom_it_names_and_nobody_else(node):
    one, two, three = node.pod("one"), node.pod("two", "blue"), node.pod("three", "green")
    blue = {"namespaceSelector": {"matchLabels": {"colour": "blue"}}}
    opened = [{"from": [blue], "ports": [{"protocol": "TCP", "port": miniature.PORT}]}]
    node.policy("red", **DENY, ingress=opened)
    eventually(lambda: not node.ask(three, one), node.log)
    assert node.ask(two, one)
    assert not node.ask(two, one, "UDP")


def test_what_may_not_leave_does_not_even_reach_its_own_node(node):
    one, two = node.pod("one"), node.pod("two", "blue")
    assert node.ask(one, GATEWAY)
    node.policy("red", **DENY_OUT)
    eventually(lambda: not node.ask(one, two), node.log)
    assert not node.ask(one, INSIDE)
    assert not node.ask(one, GATEWAY)
    assert node.ask(two, one), "only what goes out was closed"


def test_a_connection_that_is_open_is_cut_by_a_new_policy(node):
    one, two = node.pod("one"), node.pod("two", "blue")
    say = node.talking(two, one)
    assert say()
    node.policy("red", **DENY)
    eventually(lambda: not say(), node.log)


def test_a_pod_the_api_does_not_know_yet_is_closed_even_without_a_policy(node):
    one, fresh = node.pod("one"), node.pod("fresh", known=False)
    assert not node.ask(one, fresh)
    node.tell("fresh")
    eventually(lambda: node.ask(one, fresh), node.log)


@pytest.mark.parametrize("outward", [True, False], ids=["from it", "to it"])
def test_the_first_datagram_of_a_fresh_pod_waits_until_the_api_knows_it(node, outward):
    one, fresh = node.pod("one"), node.pod("fresh", known=False)
    source, target = (fresh, one) if outward else (one, fresh)
    answer = node.asking(source, target, "UDP", patience=5)
    eventually(lambda: waiting(node) > 0, node.log)
    node.tell("fresh")
    assert answer() == "word", "one datagram was sent, once"


def waiting(node):
    """Packets the kernel holds until they are decided."""
    rows = run(*inside(node.space, "cat", "/proc/net/netfilter/nfnetlink_queue")).split()
    return int(rows[2])


def test_an_address_belongs_to_the_pod_that_runs_not_to_one_that_has_ended(node):
    """A finished job keeps its address in the API, and its rights must not go to whoever has the address now."""
    one = node.pod("one")
    address = node.pod("job", "blue", phase="Succeeded")
    blue = {"namespaceSelector": {"matchLabels": {"colour": "blue"}}}
    node.policy("red", **DENY, ingress=[{"from": [blue]}])
    eventually(lambda: not node.ask(address, one), node.log)
    node.tell("job", "blue")
    eventually(lambda: node.ask(address, one), node.log)


def test_while_the_agent_is_away_nothing_new_passes_and_its_node_still_reaches_its_pods(node):
    one, two = node.pod("one"), node.pod("two", "blue")
    assert node.ask(one, two)
    node.stop()
    assert not node.ask(one, two)
    assert not node.ask(one, two, "UDP")
    assert node.ask("", one)
    node.start()
    assert node.ask(one, two)


def test_rules_that_somebody_took_away_are_put_back(node):
    for words in (("-F", "KCLOUD-POLICY"), ("-F", "FORWARD"), ("-F", "INPUT")):
        run(*inside(node.space, "iptables", "-t", "mangle", *words))
    eventually(lambda: len(rules(node)) == 4, node.log)
    assert node.health() == "ok"


def rules(node):
    saved = run(*inside(node.space, "iptables-save", "-t", "mangle")).splitlines()
    return [line for line in saved if line.startswith("-A") and "KCLOUD-POLICY" in line]


def test_a_second_start_leaves_the_rules_as_they_are(node):
    before = rules(node)
    node.stop()
    node.start()
    assert rules(node) == before


def test_the_lease_says_by_what_policies_are_kept_and_belongs_to_the_node(node):
    eventually(lambda: node.client.list(LEASES_PATH), node.log)
    (lease,) = node.client.list(LEASES_PATH)
    assert guard([NODE], [lease], timezone.now()).guarded == {NODE: "iptables"}
    assert lease["metadata"]["ownerReferences"][0]["name"] == NODE


def test_its_rights_are_those_of_a_reader(node):
    """Nothing in the agent's log says that it asked for what it may not have."""
    assert "forbidden" not in node.log().lower()


@pytest.fixture
def nftables(tmp_path):
    """A kernel that says yes to everything: where nftables can queue, this program would say the same."""
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    return tmp_path


def the_way(node):
    (lease,) = node.client.list(LEASES_PATH)
    return lease["metadata"]["labels"][WAY_LABEL]


def descendants(process):
    return [
        int(pid)
        for path in Path(f"/proc/{process.pid}/task").glob("*/children")
        for pid in path.read_text().split()
    ]


def test_where_nftables_can_queue_the_projects_own_agent_works_and_its_end_is_noticed(node, nftables):
    node.stop()
    node.start(f"--upstream={real.binaries() / 'kube-network-policies'}", path=nftables)
    eventually(lambda: the_way(node) == "nftables", node.log)
    (child,) = descendants(node.agent)
    assert b"--fail-open=false" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    os.kill(child, signal.SIGKILL)
    assert node.agent.wait(20) != 0, "systemd starts it again"


def test_the_projects_own_agent_is_never_asked_to_stop_since_it_would_open_the_node(node, nftables):
    node.stop()
    node.start(f"--upstream={real.binaries() / 'kube-network-policies'}", path=nftables)
    (child,) = descendants(node.agent)
    node.agent.terminate()
    assert node.agent.wait(20) == 0
    eventually(lambda: not Path(f"/proc/{child}").exists(), node.log)
    assert "starting cleanup" not in node.log()
