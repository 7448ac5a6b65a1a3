"""The verdicts about one host in this plan: can it be reached, is it free, does it fit its neighbours. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from clusters.hosts.facts import HostFacts, Listener
from clusters.planning.names import shown
from clusters.planning.networks import free_network, overlapping
from clusters.preflight.checks import Finding, Verdict
from clusters.preflight.machine import HostTask, machine_findings

_OWN_PROGRAMS = frozenset(
    {
        "kubelet",
        "kube-apiserver",
        "kube-controller",
        "kube-scheduler",
        "kube-proxy",
        "etcd",
        "haproxy",
        "containerd",
        # The kernel keeps the first 15 letters: kcloud-network-policy, kube-network-policies.
        "kcloud-network-",
        "kube-network-po",
    }
)


def host_findings(task: HostTask, facts: HostFacts, *, user: str) -> list[Finding]:
    """Every check of a host that answered, but `identity`, which needs the others."""
    skew = round(facts.clock_offset * 1000)
    # What the checks among hosts need later stays with the sign-in: it is there exactly when the host answered.
    remembered = {"hostname": facts.hostname, "machine_id": facts.machine_id, "skew_ms": skew}
    found = [
        Finding("ssh", "pass", {"code": "ok", "user": user, **remembered}),
        *machine_findings(task, facts, skew),
        _ports(task, facts),
        _existing(task, facts),
        _addresses(task, facts),
    ]
    return [Finding(each.key, each.verdict, each.facts, task.host) for each in found]


def unreachable(host: str, error: str, *, address: str, port: int, user: str, why: str) -> Finding:
    """The host could not be asked, so nothing else about it is known; `error` is the class of
    clusters.errors.
    """
    facts = {"code": error, "address": address, "port": port, "user": user, "why": shown(why, 200)}
    return Finding("ssh", "block", facts, host)


def unreadable(host: str, why: str) -> Finding:
    """The host answered something that is no probe."""
    return Finding("ssh", "block", {"code": "unreadable", "why": shown(why, 120)}, host)


def _ports(task: HostTask, facts: HostFacts) -> Finding:
    listening = [each for each in facts.listening if each.protocol == "tcp"]
    strangers = [each for each in listening if not (task.own and each.program in _OWN_PROGRAMS)]
    wanted = set(task.ports)
    busy = [each for each in strangers if each.port in wanted]
    if busy:
        return Finding("ports", "block", {"code": "busy", "ports": _held(busy)})
    low, high = task.node_ports
    in_range = [
        each for each in strangers if low <= each.port <= high and not each.address.startswith("127.")
    ]
    if in_range and task.role == "worker":
        found = {"code": "node_ports", "ports": _held(in_range), "range": f"{low}-{high}"}
        return Finding("ports", "warn", found)
    if len(strangers) < len(listening):
        return Finding("ports", "pass", {"code": "own"})
    return Finding("ports", "pass", {"code": "ok", "count": len(wanted)})


def _held(listeners: list[Listener]) -> str:
    """ "6443 (nginx), 10250" from sockets, each port once."""
    names: dict[int, str] = {}
    for each in sorted(listeners, key=lambda listener: listener.port):
        names[each.port] = names.get(each.port) or each.program
    return ", ".join(f"{port} ({name})" if name else str(port) for port, name in names.items())


def _existing(task: HostTask, facts: HostFacts) -> Finding:
    kubernetes = [sign.what for sign in facts.signs if sign.kind != "runtime"]
    if task.own:
        return Finding("existing", "pass", {"code": "own" if kubernetes else "clean"})
    if kubernetes:
        return Finding("existing", "block", {"code": "kubernetes", "found": ", ".join(kubernetes)})
    running = [sign.what for sign in facts.signs if sign.running]
    if any("shim" in name or name == "conmon" for name in running):
        return Finding("existing", "block", {"code": "containers", "found": ", ".join(running)})
    if running:
        return Finding("existing", "warn", {"code": "runtime", "found": ", ".join(running)})
    return Finding("existing", "pass", {"code": "clean"})


def _addresses(task: HostTask, facts: HostFacts) -> Finding:
    own_networks = [address for nic in facts.nics for address in nic.addresses]
    # Networks of its own cluster lead into the plan's: that is what they are for.
    texts = own_networks if task.own else [*own_networks, *(route.network for route in facts.routes)]
    used = [each for each in _networks(texts) if not (task.own and each.subnet_of(task.pod_network))]
    if not used:
        return Finding("addresses", "block", {"code": "none"})
    halves = (
        ("pods", task.pod_network, task.service_network),
        ("services", task.service_network, task.pod_network),
    )
    for code, network, other_half in halves:
        hit = overlapping(network, used)
        if hit:
            free = free_network(network, [*used, other_half, *task.taken])
            found = {"code": code, "network": str(network), "other": str(hit), "free": str(free or "–")}
            return Finding("addresses", "block", found)
    return Finding("addresses", "pass", {"code": "ok", "count": len(set(used))})


def _networks(texts: Sequence[str]) -> Iterator[IPv4Network]:
    for text in texts:
        try:
            yield IPv4Interface(text).network
        except ValueError:
            continue


def identity_findings(
    known: dict[str, dict[str, Any]], elsewhere: dict[str, str], foreign_nodes: dict[str, str]
) -> list[Finding]:
    """Names and machine ids among the hosts of a plan (`known`: what `ssh` remembered, by host), against the
    machine ids of all other enrolled hosts (`elsewhere`: id to host) and the node names of other clusters.
    """
    return [_identity(host, facts, known, elsewhere, foreign_nodes) for host, facts in known.items()]


def _identity(
    host: str,
    facts: dict[str, Any],
    known: dict[str, dict[str, Any]],
    elsewhere: dict[str, str],
    foreign_nodes: dict[str, str],
) -> Finding:
    def finding(verdict: Verdict, code: str, **more: str) -> Finding:
        return Finding("identity", verdict, {"code": code, **more}, host)

    machine_id, hostname = str(facts.get("machine_id", "")), str(facts.get("hostname", ""))
    if not machine_id or machine_id == "uninitialized":
        return finding("block", "no_machine_id")
    twins = [name for name, other in known.items() if name != host and other.get("machine_id") == machine_id]
    twins += [elsewhere[machine_id]] if elsewhere.get(machine_id, host) != host else []
    if twins:
        return finding("block", "machine_id", others=", ".join(sorted(set(twins))))
    namesakes = [name for name, other in known.items() if name != host and other.get("hostname") == hostname]
    if namesakes:
        return finding("warn", "hostname", hostname=hostname, others=", ".join(sorted(namesakes)))
    if host in foreign_nodes:
        return finding("warn", "node", others=foreign_nodes[host])
    return finding("pass", "ok")
