"""Which nodes a pod may stand on: its node selector, the nodes' taints, what it tolerates. Pure.

Newer schedulers only say that taints are in the way, not which; the nodes themselves tell.
"""

from __future__ import annotations

from apps.diagnosing.facts import Facts, Object, part, parts, text, unique

# Set by the control plane on nodes that do not answer.
GONE = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")
_BLOCKING = ("NoSchedule", "NoExecute")


def in_the_way(facts: Facts, pod: Object) -> list[str]:
    """The taints the pod does not tolerate, "key=value", on nodes of the kind it wants."""
    return unique(
        "=".join(each for each in (text(taint, "key"), text(taint, "value")) if each)
        for node in wanted_nodes(facts, pod)
        for taint in parts(node, "taints")
        if text(taint, "effect") in _BLOCKING and not _tolerates(pod, taint)
    )


def wanted_nodes(facts: Facts, pod: Object) -> list[Object]:
    """The nodes that have all labels the pod's node selector names."""
    wanted = part(pod, "spec", "nodeSelector")
    return [
        each
        for each in parts(facts.nodes)
        if all(part(each, "labels").get(key) == value for key, value in wanted.items())
    ]


def _tolerates(pod: Object, taint: Object) -> bool:
    return any(_covers(each, taint) for each in parts(pod, "spec", "tolerations"))


def _covers(toleration: Object, taint: Object) -> bool:
    if text(toleration, "effect") not in ("", text(taint, "effect")):
        return False
    if text(toleration, "key") not in ("", text(taint, "key")):
        return False
    exists = text(toleration, "operator") == "Exists"
    return exists or text(toleration, "value") == text(taint, "value")
