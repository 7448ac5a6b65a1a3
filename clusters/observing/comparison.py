"""What was planned against what is there, host by host. Pure.

Masters run the control plane without a kubelet, so they are no nodes: only workers are compared. Labels
and taints that Kubernetes sets itself are no difference. Each difference has a key, both values, and
names the remedy by a key that the page puts into words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from clusters.observing.nodes import NodeStatus, NodeTaint

Kind = Literal[
    "missing",
    "unplanned",
    "not-member",
    "removed",
    "version",
    "address",
    "label",
    "label-extra",
    "taint",
    "taint-extra",
]


@dataclass(frozen=True)
class PlannedNode:
    """One worker as the plan has it. `member`: it was deployed; `planned`: the newest plan still names it."""

    name: str
    address: str = ""
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[NodeTaint, ...] = ()
    member: bool = True
    planned: bool = True


@dataclass(frozen=True)
class Difference:
    """One thing that differs: `what` is the label or taint in question, "" where the kind says it all."""

    kind: Kind
    node: str
    planned: str = ""
    real: str = ""
    what: str = ""


def compare(planned: Iterable[PlannedNode], real: Iterable[NodeStatus]) -> list[Difference]:
    """Every difference, by node name."""
    expected = {each.name: each for each in planned}
    actual = {each.name: each for each in real}
    found: list[Difference] = []
    for name in sorted(expected.keys() | actual.keys()):
        plan, node = expected.get(name), actual.get(name)
        if plan is None:
            found.append(Difference("unplanned", name, real=node.internal_address if node else ""))
        elif node is None:
            found.append(_absent(plan))
        else:
            found.extend(_both(plan, node))
    return found


def _absent(plan: PlannedNode) -> Difference:
    return Difference("missing" if plan.member else "not-member", plan.name, planned=plan.address)


def _both(plan: PlannedNode, node: NodeStatus) -> Iterable[Difference]:
    if not plan.planned:
        yield Difference("removed", plan.name, real=node.version)
        return
    if plan.version and node.version.removeprefix("v") != plan.version:
        yield Difference("version", plan.name, plan.version, node.version.removeprefix("v"))
    if plan.address and node.internal_address and plan.address != node.internal_address:
        yield Difference("address", plan.name, plan.address, node.internal_address)
    yield from _labels(plan, node)
    yield from _taints(plan, node)


def _labels(plan: PlannedNode, node: NodeStatus) -> Iterable[Difference]:
    for key, value in sorted(plan.labels.items()):
        if node.labels.get(key) != value:
            yield Difference("label", plan.name, value, node.labels.get(key, ""), key)
    for key, value in sorted(node.labels.items()):
        if key not in plan.labels and not is_kubernetes_own(key):
            yield Difference("label-extra", plan.name, "", value, key)


def _taints(plan: PlannedNode, node: NodeStatus) -> Iterable[Difference]:
    wanted = {(each.key, each.effect): each.value for each in plan.taints}
    actual = {(each.key, each.effect): each.value for each in node.taints if not is_kubernetes_own(each.key)}
    for place in sorted(wanted.keys() | actual.keys()):
        key, effect = place
        if place not in actual:
            yield Difference("taint", plan.name, f"{wanted[place]}:{effect}", "", key)
        elif place not in wanted:
            yield Difference("taint-extra", plan.name, "", f"{actual[place]}:{effect}", key)
        elif wanted[place] != actual[place]:
            yield Difference(
                "taint", plan.name, f"{wanted[place]}:{effect}", f"{actual[place]}:{effect}", key
            )


def is_kubernetes_own(key: str) -> bool:
    """Labels and taints in Kubernetes' own domains, which it sets itself. The portal's own (kcloud.local)
    are none either."""
    domain = key.partition("/")[0] if "/" in key else ""
    return any(
        domain == own or domain.endswith(f".{own}") for own in ("kubernetes.io", "k8s.io", "kcloud.local")
    )
