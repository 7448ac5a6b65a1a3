"""Network policies to try on a real cluster, with what each must mean written beside it. Pure.

Two namespaces with two pods and one on every node, all asking all others, the nodes and the DNS, over TCP and UDP. An
expectation is a plain rule of its own, not an evaluation of the policy: policy and rule are two tellings of one thing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from clusters.manifests import coredns

RED, BLUE = "policy-red", "policy-blue"
PODS = {RED: ("a", "b"), BLUE: ("a",)}
PORT = 7001
# sshd of a node, as something outside of every namespace.
NODE_PORT = 22
DNS = "dns"


class Probe(NamedTuple):
    """A try: `source` and `target` are places ("namespace/node/pod"), the target may be "node/<name>" or DNS."""

    source: str
    target: str
    protocol: str

    @property
    def space(self) -> str:
        return self.source.partition("/")[0]

    @property
    def other(self) -> str:
        return self.target.partition("/")[0]


@dataclass(frozen=True)
class Case:
    """`passes(probe)`: whether it must get an answer while exactly these policies are there."""

    name: str
    passes: Callable[[Probe], bool]
    policies: list[dict[str, Any]] = field(default_factory=list)


def places(nodes: list[str]) -> list[str]:
    """Every pod, as "namespace/node/pod"."""
    return [f"{space}/{node}/{pod}" for space, pods in PODS.items() for node in nodes for pod in pods]


def node_of(place: str) -> str:
    return place.split("/")[1]


def probes(nodes: list[str]) -> Iterator[Probe]:
    """Everything that is tried in every case. A pod asking itself tells nothing: that never leaves it."""
    for source in places(nodes):
        for target in places(nodes):
            if source != target:
                yield from (Probe(source, target, protocol) for protocol in ("TCP", "UDP"))
        yield from (Probe(source, f"node/{node}", "TCP") for node in nodes)
        yield Probe(source, DNS, "UDP")


def expected(case: Case, nodes: list[str]) -> dict[Probe, bool]:
    return {probe: case.passes(probe) for probe in probes(nodes)}


def objects(nodes: list[str]) -> list[dict[str, Any]]:
    """Namespaces and pods; what answers is started beside them, in their networks."""
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space, "labels": {"colour": space}}}
        for space in PODS
    ]
    return [*spaces, *(_pod(*place.split("/")) for place in places(nodes))]


def _pod(space: str, node: str, name: str) -> dict[str, Any]:
    container = {"name": "pause", "image": "kcloud.local/pause:1", "imagePullPolicy": "Never"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"{node}-{name}", "namespace": space, "labels": {"app": "probe"}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": [container],
        },
    }


def _policy(space: str, name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": space},
        "spec": {"podSelector": {}, **spec},
    }


def _dns() -> dict[str, Any]:
    system = {"matchLabels": {"kubernetes.io/metadata.name": coredns.NAMESPACE}}
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {"to": [{"namespaceSelector": system}], "ports": ports}


_SAME = [{"podSelector": {}}]
_FROM_BLUE = [{"namespaceSelector": {"matchLabels": {"colour": BLUE}}}]

CASES = [
    Case("no policy: everything flows", lambda probe: True),
    Case(
        "nothing may come into red",
        lambda probe: probe.other != RED,
        [_policy(RED, "deny", policyTypes=["Ingress"])],
    ),
    Case(
        "nothing may leave red, not even questions to the DNS or its own node",
        lambda probe: probe.space != RED,
        [_policy(RED, "deny", policyTypes=["Egress"])],
    ),
    Case(
        "red is closed both ways but to itself and the DNS: what a tenant gets",
        lambda probe: probe.other in (RED, DNS) if probe.space == RED else probe.other != RED,
        [
            _policy(
                RED,
                "tenant",
                policyTypes=["Ingress", "Egress"],
                ingress=[{"from": _SAME}],
                egress=[{"to": _SAME}, _dns()],
            )
        ],
    ),
    Case(
        "blue is let into red by one more policy, over TCP and on that port alone",
        lambda probe: probe.other != RED or (probe.space == BLUE and probe.protocol == "TCP"),
        [
            _policy(RED, "deny", policyTypes=["Ingress"]),
            _policy(
                RED,
                "blue",
                policyTypes=["Ingress"],
                ingress=[{"from": _FROM_BLUE, "ports": [{"protocol": "TCP", "port": PORT}]}],
            ),
        ],
    ),
]
