"""Every check of preflight as a table: what is found, what it is judged, and that each judgement has words."""

import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusters.hosts.facts import HostFacts, Listener, Mount, Nic, Route, Sign
from clusters.planning.networks import read_network
from clusters.planning.plan import Network, PlanSpec, parse
from clusters.preflight.checks import HOST_CHECKS, PLAN_CHECKS, describe, title, worst
from clusters.preflight.host import host_findings, identity_findings, unreachable, unreadable
from clusters.preflight.machine import HostTask, clock_finding
from clusters.preflight.plan import (
    NEEDED_COMPONENTS,
    BundleFacts,
    OtherCluster,
    bundle_finding,
    clocks_finding,
    host_loss_finding,
    hosts_finding,
    networks_finding,
    quorum_finding,
    region_loss_finding,
    storage_finding,
)
from clusters.preflight.texts import FALLBACK, TEXTS, TITLES

GIB = 1 << 30
FIT = HostFacts(
    hostname="w1",
    kernel="6.1.0-18-amd64",
    cpus=4,
    memory=8 * GIB,
    clock=0.0,
    machine_id="a" * 32,
    root=True,
    os_id="debian",
    os_version="12",
    os_name="Debian GNU/Linux 12 (bookworm)",
    architecture="x86_64",
    systemd=True,
    mounts=(Mount(path="/", size=100 * GIB, free=60 * GIB),),
    nics=(Nic(name="eth0", addresses=("172.30.0.12/24",)),),
    routes=(Route(interface="eth0", network="172.30.0.0/24"),),
    cgroup_version=2,
    listening=(Listener(protocol="tcp", port=22, address="0.0.0.0", program="sshd"),),
    modules={"overlay": "loaded", "br_netfilter": "loaded", "nf_conntrack": "loaded", "nf_tables": "loaded"},
)


def task(**changes):
    return HostTask(
        **{
            "host": "w1",
            "role": "worker",
            "version": "1.34.4",
            "masters": 1,
            "pod_network": read_network("10.244.0.0/16"),
            "service_network": read_network("10.96.0.0/16"),
            "node_ports": (30000, 32767),
            "proxy_mode": "iptables",
            "suite": "bookworm",
            "architecture": "amd64",
            **changes,
        }
    )


def judged(key, facts=FIT, **changes):
    """The verdict and case of one check."""
    found = {each.key: each for each in host_findings(task(**changes), facts, user="kcloud")}
    return found[key].verdict, found[key].code


def with_(**changes):
    return msgspec.structs.replace(FIT, **changes)


def tcp(port, address="0.0.0.0", program="nginx", protocol="tcp"):
    return (Listener(protocol=protocol, port=port, address=address, program=program),)


def test_a_fit_host_passes_every_check():
    found = host_findings(task(), FIT, user="kcloud")
    assert {each.verdict for each in found} == {"pass"}
    assert [each.key for each in found] == [key for key in HOST_CHECKS if key != "identity"]
    assert {each.host for each in found} == {"w1"}


TABLE = [
    ("os", with_(systemd=False), {}, ("block", "systemd")),
    ("os", with_(os_id="rocky", os_version="9.4"), {}, ("block", "suite")),
    ("os", with_(os_version="11"), {}, ("block", "suite")),
    ("os", with_(os_id="rocky"), {"suite": ""}, ("pass", "ok")),
    ("architecture", with_(architecture="aarch64"), {}, ("block", "differs")),
    ("architecture", with_(architecture="aarch64"), {"architecture": "arm64"}, ("pass", "ok")),
    ("architecture", with_(architecture="mips"), {"architecture": ""}, ("pass", "ok")),
    ("kernel", with_(kernel="4.18.0"), {}, ("block", "old")),
    ("kernel", with_(kernel="4.19.0"), {}, ("warn", "aged")),
    ("kernel", with_(kernel="5.4.0"), {}, ("pass", "ok")),
    ("kernel", with_(kernel="5.12.9"), {"proxy_mode": "nftables"}, ("block", "nftables")),
    ("kernel", with_(kernel="5.12.9"), {"proxy_mode": "nftables", "role": "master"}, ("pass", "ok")),
    ("kernel", with_(kernel="5.13.0"), {"proxy_mode": "nftables"}, ("pass", "ok")),
    ("kernel", with_(kernel="weird"), {}, ("block", "unknown")),
    ("kernel", with_(kernel="10.0"), {}, ("pass", "ok")),
    ("features", with_(modules={"overlay": "missing"}), {}, ("block", "missing")),
    ("features", with_(modules={}), {}, ("pass", "unseen")),
    ("policies", with_(modules={}), {}, ("pass", "unseen")),
    ("policies", with_(modules={"nft_queue": "missing", "xt_NFQUEUE": "loaded"}), {}, ("pass", "ok")),
    ("policies", with_(modules={"nft_queue": "available", "xt_NFQUEUE": "missing"}), {}, ("pass", "ok")),
    ("policies", with_(modules={"nft_queue": "missing", "xt_NFQUEUE": "unknown"}), {}, ("pass", "unseen")),
    ("policies", with_(modules={"nft_queue": "missing", "xt_NFQUEUE": "missing"}), {}, ("block", "none")),
    ("policies", with_(modules={"nfnetlink_queue": "missing", "nft_queue": "loaded"}), {}, ("block", "none")),
    ("policies", with_(modules={"nfnetlink_queue": "missing"}), {"role": "master"}, ("pass", "master")),
    (
        "features",
        with_(
            modules={**FIT.modules, "br_netfilter": "missing"},
            sysctls={"net.bridge.bridge-nf-call-iptables": "1"},
        ),
        {},
        ("pass", "ok"),
    ),
    ("cgroup", with_(cgroup_version=1), {"version": "1.30.9"}, ("pass", "v1")),
    ("cgroup", with_(cgroup_version=1), {"version": "1.31.0"}, ("warn", "deprecated")),
    ("cgroup", with_(cgroup_version=1), {"version": "1.34.4"}, ("warn", "deprecated")),
    ("cgroup", with_(cgroup_version=1), {"version": "1.35.0"}, ("block", "removed")),
    ("cgroup", FIT, {"version": "1.35.0"}, ("pass", "v2")),
    ("cpu", with_(cpus=1), {}, ("warn", "few")),
    ("cpu", with_(cpus=2), {}, ("pass", "ok")),
    ("memory", with_(memory=int(1.4 * GIB)), {}, ("block", "short")),
    ("memory", with_(memory=int(1.5 * GIB)), {}, ("warn", "little")),
    ("memory", with_(memory=3 * GIB), {}, ("pass", "ok")),
    ("disk", with_(mounts=(Mount(path="/", size=9 * GIB, free=2 * GIB),)), {}, ("block", "short")),
    ("disk", with_(mounts=(Mount(path="/", size=9 * GIB, free=9 * GIB),)), {}, ("warn", "little")),
    ("disk", with_(mounts=()), {}, ("warn", "unseen")),
    (
        "disk",
        with_(mounts=(Mount(path="/", size=9 * GIB, free=90 * GIB, read_only=True),)),
        {},
        ("block", "read_only"),
    ),
    ("swap", with_(swap=GIB), {}, ("warn", "on")),
    ("clock", with_(clock_offset=0.25), {}, ("pass", "ok")),
    ("clock", with_(clock_offset=-0.34), {}, ("warn", "off")),
    ("clock", with_(clock_offset=5.0), {}, ("warn", "off")),
    ("clock", with_(clock_offset=-3600.0), {}, ("block", "wrong")),
    ("ports", with_(listening=tcp(10250)), {}, ("block", "busy")),
    ("ports", with_(listening=tcp(10250, "127.0.0.1")), {}, ("block", "busy")),
    ("ports", with_(listening=tcp(10250, protocol="udp")), {}, ("pass", "ok")),
    ("ports", with_(listening=tcp(6443)), {"role": "master"}, ("block", "busy")),
    ("ports", with_(listening=tcp(6443)), {}, ("pass", "ok")),
    ("ports", with_(listening=tcp(6443)), {"masters": 3}, ("block", "busy")),
    ("ports", with_(listening=tcp(2379)), {"role": "master"}, ("block", "busy")),
    ("ports", with_(listening=tcp(30080)), {}, ("warn", "node_ports")),
    ("ports", with_(listening=tcp(30080, "127.0.0.1")), {}, ("pass", "ok")),
    ("ports", with_(listening=tcp(30080)), {"role": "master"}, ("pass", "ok")),
    ("ports", with_(listening=tcp(10250, program="kubelet")), {"own": True}, ("pass", "own")),
    ("ports", with_(listening=tcp(10250, program="nginx")), {"own": True}, ("block", "busy")),
    (
        "ports",
        with_(listening=tcp(10251, program="kcloud-network-policy"[:15])),
        {"own": True},
        ("pass", "own"),
    ),
    (
        "ports",
        with_(listening=tcp(10252, program="kube-network-policies"[:15])),
        {"own": True},
        ("pass", "own"),
    ),
    ("existing", with_(signs=(Sign("kubernetes", "/var/lib/kubelet"),)), {}, ("block", "kubernetes")),
    ("existing", with_(signs=(Sign("etcd", "etcd", running=True),)), {}, ("block", "kubernetes")),
    (
        "existing",
        with_(signs=(Sign("runtime", "containerd-shim", running=True),)),
        {},
        ("block", "containers"),
    ),
    ("existing", with_(signs=(Sign("runtime", "dockerd", running=True),)), {}, ("warn", "runtime")),
    ("existing", with_(signs=(Sign("runtime", "/usr/bin/containerd"),)), {}, ("pass", "clean")),
    ("existing", with_(signs=(Sign("kubernetes", "kubelet", running=True),)), {"own": True}, ("pass", "own")),
    ("addresses", with_(nics=(), routes=()), {}, ("block", "none")),
    ("addresses", with_(nics=(Nic(name="e", addresses=("10.244.3.1/24",)),)), {}, ("block", "pods")),
    ("addresses", with_(nics=(Nic(name="e", addresses=("10.96.9.1/8",)),)), {}, ("block", "pods")),
    ("addresses", with_(routes=(Route(interface="e", network="10.96.0.0/24"),)), {}, ("block", "services")),
    (
        "addresses",
        with_(routes=(Route(interface="e", network="10.244.2.0/24"),)),
        {"own": True},
        ("pass", "ok"),
    ),
    ("addresses", with_(nics=(Nic(name="e", addresses=("garbage", "172.30.0.1/24")),)), {}, ("pass", "ok")),
]


@pytest.mark.parametrize(
    ("key", "facts", "changes", "expected"), TABLE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_checks_of_a_host(key, facts, changes, expected):
    assert judged(key, facts, **changes) == expected


def test_ports_in_use_are_listed_with_their_programs():
    listening = tcp(10250, program="") + tcp(10250, "::", "nginx") + tcp(10256, program="")
    found = {each.key: each for each in host_findings(task(), with_(listening=listening), user="k")}
    assert found["ports"].facts["ports"] == "10250 (nginx), 10256"


def test_the_tightest_file_system_is_named():
    mounts = (
        Mount(path="/", size=100 * GIB, free=60 * GIB),
        Mount(path="/var", size=20 * GIB, free=GIB),
        Mount(path="/home", size=20 * GIB, free=0),
    )
    found = {each.key: each for each in host_findings(task(), with_(mounts=mounts), user="k")}
    assert (found["disk"].facts["path"], found["disk"].facts["found"]) == ("/var", "1.0")


def test_a_network_clash_names_a_network_free_on_the_host_and_in_other_clusters():
    facts = with_(nics=(Nic(name="e", addresses=("10.244.3.1/24",)),))
    found = {
        each.key: each for each in host_findings(task(taken=[read_network("10.245.0.0/16")]), facts, user="k")
    }
    assert found["addresses"].facts["free"] == "10.246.0.0/16"


@given(st.floats(-1e6, 1e6))
def test_a_clock_is_judged_alike_whether_ahead_or_behind(seconds):
    milliseconds = round(seconds * 1000)
    assert clock_finding(milliseconds).verdict == clock_finding(-milliseconds).verdict


# --- among hosts ------------------------------------------------------------------------------------------


def known(**hosts):
    return {
        name: {"machine_id": machine, "hostname": hostname} for name, (machine, hostname) in hosts.items()
    }


@pytest.mark.parametrize(
    ("hosts", "elsewhere", "nodes", "expected"),
    [
        ({"a": ("1", "a"), "b": ("2", "b")}, {}, {}, {"a": "ok", "b": "ok"}),
        ({"a": ("1", "a"), "b": ("1", "b")}, {}, {}, {"a": "machine_id", "b": "machine_id"}),
        ({"a": ("1", "x"), "b": ("2", "x")}, {}, {}, {"a": "hostname", "b": "hostname"}),
        ({"a": ("", "a")}, {}, {}, {"a": "no_machine_id"}),
        ({"a": ("uninitialized", "a")}, {}, {}, {"a": "no_machine_id"}),
        ({"a": ("1", "a")}, {"1": "old-a"}, {}, {"a": "machine_id"}),
        ({"a": ("1", "a")}, {"1": "a"}, {}, {"a": "ok"}),
        ({"a": ("1", "a")}, {}, {"a": "other"}, {"a": "node"}),
    ],
)
def test_names_and_machine_ids(hosts, elsewhere, nodes, expected):
    assert {each.host: each.code for each in identity_findings(known(**hosts), elsewhere, nodes)} == expected


@pytest.mark.parametrize(
    ("skews", "verdict"),
    [
        ({}, "pass"),
        ({"a": 9000}, "pass"),
        ({"a": 0, "b": 250}, "pass"),
        ({"a": -200, "b": 200}, "warn"),
        ({"a": 0, "b": 9000}, "block"),
    ],
)
def test_clocks_among_hosts(skews, verdict):
    assert clocks_finding(skews).verdict == verdict


# --- the plan as a whole ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [
        (BundleFacts("1.34.4", present=False, known=["1.33.13"]), ("block", "missing")),
        (
            BundleFacts("1.34.4", present=True, fault=("bin/etcd differs", "Build it again")),
            ("block", "refused"),
        ),
        (BundleFacts("1.34.4", present=True, programs=["etcd"]), ("block", "incomplete")),
        (
            BundleFacts("1.34.4", present=True, programs=NEEDED_COMPONENTS, files=60, size=GIB, key="k"),
            ("pass", "ok"),
        ),
    ],
)
def test_the_bundle(bundle, expected):
    found = bundle_finding(bundle)
    assert (found.verdict, found.code) == expected


def spec(masters=("m1",), pools=({"name": "w", "hosts": ["w1"]},)) -> PlanSpec:
    return parse(
        {"name": "p", "region": "east", "version": "1.34.4", "masters": list(masters), "pools": list(pools)}
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("pass", "ok")),
        ({"gone": ["w1"]}, ("block", "gone")),
        ({"taken": ["w1"]}, ("block", "taken")),
        ({"missing": 2}, ("block", "spare")),
        ({"planned": ["w1 (other)"]}, ("warn", "planned")),
        ({"planned": ["w1 (other)"], "missing": 1}, ("block", "spare")),
    ],
)
def test_the_hosts_of_a_plan(changes, expected):
    values = {"workers": 1, "missing": 0, "gone": [], "taken": [], "planned": [], **changes}
    found = hosts_finding(spec(), **values)
    assert (found.verdict, found.code) == expected


@pytest.mark.parametrize(
    ("region", "draft", "pods", "services", "expected"),
    [
        ("east", False, "10.200.0.0/16", "10.201.0.0/16", ("pass", "ok")),
        ("east", False, "10.244.0.0/20", "10.201.0.0/16", ("block", "pods_clash")),
        ("east", False, "10.200.0.0/16", "10.244.0.0/24", ("block", "pods_clash")),
        ("east", False, "10.96.0.0/20", "10.201.0.0/16", ("block", "services_clash")),
        ("east", False, "10.200.0.0/16", "10.96.0.0/16", ("warn", "services_shared")),
        ("west", False, "10.244.0.0/16", "10.201.0.0/16", ("warn", "pods_shared")),
        ("east", True, "10.244.0.0/16", "10.96.0.0/16", ("warn", "pods_shared")),
    ],
)
def test_networks_of_other_clusters(region, draft, pods, services, expected):
    other = OtherCluster("other", region, draft, read_network(pods), read_network(services))
    found = networks_finding(Network(), "east", [other])
    assert (found.verdict, found.code) == expected


def test_a_block_by_one_cluster_is_not_hidden_by_a_warning_about_another():
    far = OtherCluster("far", "west", False, read_network("10.244.0.0/16"), read_network("10.1.0.0/16"))
    near = OtherCluster("near", "east", False, read_network("10.244.0.0/16"), read_network("10.2.0.0/16"))
    found = networks_finding(Network(), "east", [far, near])
    assert (found.verdict, found.facts["cluster"]) == ("block", "near")
    assert found.facts["free"] == "10.245.0.0/16"


@pytest.mark.parametrize(
    ("count", "verdict"), [(0, "block"), (1, "pass"), (2, "block"), (3, "pass"), (4, "block")]
)
def test_quorum(count, verdict):
    assert quorum_finding([f"m{n}" for n in range(count)]).verdict == verdict


@pytest.mark.parametrize(
    ("masters", "workers", "expected"),
    [
        (1, 2, ("warn", "single")),
        (1, 1, ("warn", "both")),
        (3, 1, ("warn", "worker")),
        (3, 2, ("pass", "ok")),
    ],
)
def test_the_loss_of_one_host(masters, workers, expected):
    found = host_loss_finding([f"m{n}" for n in range(masters)], [f"w{n}" for n in range(workers)])
    assert (found.verdict, found.code) == expected


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ({"m1": "e", "m2": "e", "m3": "e", "w1": "e"}, ("pass", "one")),
        ({"m1": "e", "m2": "e", "m3": "w", "w1": "w"}, ("warn", "stops")),
        ({"m1": "e", "m2": "w", "m3": "n", "w1": "e"}, ("warn", "workers")),
        ({"m1": "e", "m2": "w", "m3": "n", "w1": "e", "w2": "w"}, ("pass", "ok")),
        ({}, ("pass", "one")),
    ],
)
def test_the_loss_of_one_region(regions, expected):
    workers = [host for host in regions if host.startswith("w")]
    found = region_loss_finding(regions, ["m1", "m2", "m3"], workers)
    assert (found.verdict, found.code) == expected


# --- words ------------------------------------------------------------------------------------------------


def test_every_check_has_a_title():
    assert set(TITLES) == set(HOST_CHECKS) | set(PLAN_CHECKS)


@pytest.mark.parametrize(
    ("key", "facts", "changes", "expected"), TABLE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_judgement_has_words_with_no_gap(key, facts, changes, expected):
    found = {each.key: each for each in host_findings(task(**changes), facts, user="kcloud")}[key]
    message, remedy = describe(found.key, found.verdict, found.facts)
    assert message
    assert "–" not in message
    assert bool(remedy) == (found.verdict != "pass")


@pytest.mark.parametrize(
    "error",
    [
        "HostUnreachable",
        "HostKeyMissing",
        "HostKeyChanged",
        "SignInRefused",
        "SudoRefused",
        "ScriptFailed",
        "SecretUnreadable",
    ],
)
def test_every_way_of_not_reaching_a_host_has_words(error):
    found = unreachable("w1", error, address="10.0.0.1", port=22, user="kcloud", why="no route\x1b[31m")
    message, remedy = describe(found.key, found.verdict, found.facts)
    assert message not in (FALLBACK["block"][0], "")
    assert remedy
    assert "\x1b" not in message


def test_an_unreadable_answer_is_quoted_short_and_printable():
    message, _remedy = describe("ssh", "block", unreadable("w1", "x\n" * 500).facts)
    assert len(message) < 200
    assert message.isprintable()


def test_every_text_with_a_problem_has_a_remedy_for_its_reader():
    for (key, code), (message, _remedy) in TEXTS.items():
        names = [
            name for _text, name, _spec, _conversion in string.Formatter().parse(message) if name is not None
        ]
        assert all(name.isidentifier() for name in names), (key, code)


def test_the_words_are_translated_as_templates_and_filled_afterwards():
    message, _remedy = describe(
        "memory", "pass", {"code": "ok", "found": "8.0"}, {"{found} GiB": "内存 {found} GiB"}.get
    )
    assert message == "内存 8.0 GiB"


def test_rows_of_other_versions_stay_readable():
    assert describe("gone", "warn", {"code": "x"}) == FALLBACK["warn"]
    assert describe("memory", "pass", {"code": "ok"})[0] == "– GiB"
    assert title("gone") == "gone"


def test_facts_are_never_taken_for_a_template():
    assert describe("os", "pass", {"code": "ok", "os": "{found.__class__}"})[0] == "{found.__class__}"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [([], "pass"), (["pass"], "pass"), (["pass", "warn"], "warn"), (["warn", "block", "pass"], "block")],
)
def test_the_worst_of_several(verdicts, expected):
    assert worst(verdicts) == expected


def test_storage_says_what_a_claim_gets():
    assert {storage_finding(name).code for name in ("none", "local")} == {"none", "local"}
