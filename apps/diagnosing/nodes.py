"""Pods on nodes that do not answer, and pods that do not go. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from apps.diagnosing.diagnosis import DEGRADED, Diagnosis, Evidence, Wording
from apps.diagnosing.facts import Facts, Object, name_of, text, texts
from clusters.problems import gettext_noop as _

LOST = Wording(
    "node_down",
    DEGRADED,
    _("Node does not answer"),
    _("Node %(node)s does not answer, so nothing is known of the pods on it."),
    _("Pods are made elsewhere where that is safe; platform operators see to the node."),
    "environment",
)
FINALIZERS = Wording(
    "termination_finalizers",
    DEGRADED,
    _("Pod does not go: somebody holds it"),
    _("The pod was to go %(seconds)s s ago, but the finalizers %(finalizers)s hold it."),
    _("Let the program that set them do its work, or have the platform's operators take them off."),
    "pod",
)
HELD_BY_NODE = Wording(
    "termination_node",
    DEGRADED,
    _("Pod does not go: its node is away"),
    _("The pod was to go %(seconds)s s ago, but node %(node)s, which has to end it, does not answer."),
    _("It goes when the node is back or is taken out of the cluster."),
    "environment",
)
SLOW = Wording(
    "termination_slow",
    DEGRADED,
    _("Pod does not go"),
    _("The pod was to go %(seconds)s s ago, and its node %(node)s has not ended it."),
    _("See the pod's events; a volume that cannot be let go is the usual cause."),
    "pod",
)
# After the pod's own time to end, the node has this long to clear up.
PATIENCE = 30.0


def is_lost(facts: Facts, pod: Object) -> bool:
    """Its node is known and does not answer."""
    node = facts.node(text(pod, "spec", "nodeName"))
    return bool(node) and text(node, "ready") not in ("True", "true")


def problems(facts: Facts, pod: Object) -> Iterator[Diagnosis]:
    """What the pod's node, or its end, has against it."""
    name, node = name_of(pod), facts.node(text(pod, "spec", "nodeName"))
    if is_lost(facts, pod):
        said = f"Ready: {text(node, 'ready')} {text(node, 'reason')}".strip()
        evidence = (Evidence.of("state", f"Node {text(node, 'name')}", said),)
        yield Diagnosis(LOST, text(node, "name"), {"node": text(node, "name")}, evidence, (name,))
    late = _late(facts, pod)
    if late is not None:
        yield _stuck(facts, pod, late)


def _late(facts: Facts, pod: Object) -> int | None:
    moment = text(pod, "metadata", "deletionTimestamp")
    ago = facts.seconds_since(moment) if moment else None
    return int(ago) if ago is not None and ago > PATIENCE else None


def _stuck(facts: Facts, pod: Object, late: int) -> Diagnosis:
    name, node = name_of(pod), text(pod, "spec", "nodeName") or "–"
    held = texts(pod, "metadata", "finalizers")
    given: dict[str, str | int] = {"seconds": late, "node": node, "finalizers": ", ".join(held)}
    shown = f"deletionTimestamp: {text(pod, 'metadata', 'deletionTimestamp')}"
    if held:
        shown += f", finalizers: {', '.join(held)}"
    wording = FINALIZERS if held else HELD_BY_NODE if is_lost(facts, pod) else SLOW
    about = ", ".join(held) if held else node
    return Diagnosis(wording, about, given, (Evidence.of("field", name, shown),), (name,))
