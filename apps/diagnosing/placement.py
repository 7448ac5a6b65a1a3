"""Pods that wait for a node: which resource, which taint, which wish, which volume. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.diagnosing.diagnosis import DOWN, Diagnosis, Evidence, Wording
from apps.diagnosing.facts import Facts, Object, name_of, part, parts, text
from apps.diagnosing.taints import GONE, in_the_way, wanted_nodes
from clusters.problems import gettext_noop as _

RESOURCE = Wording(
    "pending_resource",
    DOWN,
    _("No node has room: %(resource)s"),
    _(
        "The pod asks for more %(resource)s (%(asked)s) than any suitable node has left; %(count)s nodes are too full."
    ),
    _("Ask for less in the release, scale something else in, or have a node added to the cluster."),
    "releases",
)
PODS = Wording(
    "pending_pods",
    DOWN,
    _("No node takes more pods"),
    _("%(count)s nodes run as many pods as they may."),
    _("Scale something in, or have a node added to the cluster."),
    "scale",
)
TAINT = Wording(
    "pending_taint",
    DOWN,
    _("Nodes are kept for others"),
    _("%(count)s nodes carry the taint %(taint)s, which this application does not tolerate."),
    _(
        "Ask the platform's operators for a node that is free for this application, or for the taint to be taken off."
    ),
    "environment",
)
SELECTOR = Wording(
    "pending_selector",
    DOWN,
    _("No node is of the wanted kind"),
    _("%(count)s nodes do not have what the pod asks of its node (%(wanted)s)."),
    _("Correct the node selector or affinity of the release, or have a node labelled so."),
    "releases",
)
SPREAD = Wording(
    "pending_spread",
    DOWN,
    _("Pods may not stand together"),
    _("%(count)s nodes are ruled out because pods of this application keep apart."),
    _("Run fewer replicas, or have nodes added to the cluster."),
    "scale",
)
CORDONED = Wording(
    "pending_cordoned",
    DOWN,
    _("Nodes take no new work"),
    _("%(count)s nodes are cordoned, so nothing new is put on them."),
    _("Wait until the work on those nodes is over; ask the platform's operators how long."),
    "environment",
)
VOLUME = Wording(
    "pending_volume",
    DOWN,
    _("Volume is not there"),
    _("The pod waits for volume claim %(claim)s: %(why)s."),
    _("Ask for a storage class that this cluster has, or have the volume made; the pod goes on by itself."),
    "releases",
)
OTHER = Wording(
    "pending_other",
    DOWN,
    _("No node is suitable"),
    _("The scheduler finds no node for the pod."),
    _("Read the scheduler's words below."),
    "events",
)
NODES_GONE = Wording(
    "pending_nodes_down",
    DOWN,
    _("Nodes do not answer"),
    _("%(count)s nodes do not answer, so nothing is put on them."),
    _("Platform operators see to the nodes; the pod goes on by itself when there is room."),
    "environment",
)

# Nodes of the control plane never take applications: said each time, the cause only when nothing else is.
_CONTROL_PLANE = "node-role.kubernetes.io/"
_PART = re.compile(r"(?P<count>\d+) (?P<why>.+)", re.S)
_INSUFFICIENT = re.compile(r"Insufficient (?P<resource>\S+)")
_TAINT = re.compile(r"untolerated taints? ?(?:\{(?P<taint>[^}]*)\}|\(s\))?")
_VOLUME = re.compile(
    r"unbound immediate PersistentVolumeClaims|"
    r"persistentvolumeclaim \"[^\"]*\" (?:not found|is being deleted|bound to)|"
    r"didn't find available persistent volumes|volume node affinity conflict|did not have enough free storage|"
    r"max volume count|no available persistent volume",
    re.I,
)
_CLAIM = re.compile(r"persistentvolumeclaim \"(?P<name>[\w.-]+)\"", re.I)
_PREEMPTION = re.compile(r"\bpreemption:.*", re.S)


def problems(facts: Facts, pod: Object) -> Iterator[Diagnosis]:
    """Why one pod has no node."""
    condition = next(
        (each for each in parts(pod, "status", "conditions") if text(each, "type") == "PodScheduled"), {}
    )
    if text(condition, "status") != "False" or text(pod, "spec", "nodeName"):
        return
    message = text(condition, "message")
    evidence = (Evidence.of("state", name_of(pod), message or text(condition, "reason")),)
    plain = _PREEMPTION.sub("", message)
    if _VOLUME.search(plain):
        yield _volume(facts, pod, plain, evidence)
        return
    each_reason = (_one(facts, pod, reason, evidence) for reason in _reasons(plain))
    found = [each for each in each_reason if each is not None]
    yield from _chosen(facts, pod, found) or [Diagnosis(OTHER, "", {}, evidence, (name_of(pod),))]


def _chosen(facts: Facts, pod: Object, found: list[Diagnosis]) -> list[Diagnosis]:
    """Nodes that are kept for others or are not of the wanted kind never were candidates: that is the cause only when
    nothing else is."""
    strong = [each for each in found if each.wording not in (TAINT, SELECTOR)]
    if strong:
        return strong
    taints = [each for each in found if each.wording is TAINT]
    selectors = [each for each in found if each.wording is SELECTOR]
    if not taints or not selectors:
        return taints or selectors
    is_known = bool(parts(facts.nodes)) and bool(part(pod, "spec", "nodeSelector"))
    if is_known:
        return taints if wanted_nodes(facts, pod) else selectors
    return selectors if all(_is_control_plane(each) for each in taints) else [*taints, *selectors]


def _reasons(message: str) -> list[tuple[int, str]]:
    """ "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had …" in its parts."""
    _head, _colon, rest = message.partition(": ")
    matches = (_PART.fullmatch(each.strip(" .")) for each in re.split(r", (?=\d)|\. ", rest))
    return [(int(match["count"][:9]), match["why"]) for match in matches if match]


def _one(
    facts: Facts, pod: Object, reason: tuple[int, str], evidence: tuple[Evidence, ...]
) -> Diagnosis | None:
    count, why = reason
    wording, about, given = _meaning(facts, pod, why)
    if wording is None:
        return None
    return Diagnosis(wording, about, {"count": count, **given}, evidence, (name_of(pod),))


def _meaning(facts: Facts, pod: Object, why: str) -> tuple[Wording | None, str, dict[str, str | int]]:
    if match := _INSUFFICIENT.match(why):
        resource = match["resource"]
        return RESOURCE, resource, {"resource": resource, "asked": asked_of(pod, resource)}
    if "Too many pods" in why:
        return PODS, "", {}
    if match := _TAINT.search(why):
        return _tainted(facts, pod, (match["taint"] or "").replace(": ", "=").strip(":= "))
    if "affinity/selector" in why or "node selector" in why:
        return SELECTOR, "", {"wanted": _wanted(pod)}
    if "topology spread" in why or "anti-affinity" in why or "pod affinity" in why or "free ports" in why:
        return SPREAD, "", {}
    if "unschedulable" in why:
        return CORDONED, "", {}
    return None, "", {}


def _tainted(facts: Facts, pod: Object, named: str) -> tuple[Wording, str, dict[str, str | int]]:
    """`named`: where the scheduler says which."""
    taints = [named] if named else in_the_way(facts, pod)
    if taints and all(each.startswith(GONE) for each in taints):
        return NODES_GONE, "", {}
    others = [each for each in taints if not each.startswith((_CONTROL_PLANE, *GONE))]
    shown = ", ".join(others or taints) or "–"
    return TAINT, shown, {"taint": shown}


def _is_control_plane(diagnosis: Diagnosis) -> bool:
    return diagnosis.wording is TAINT and diagnosis.about.startswith(_CONTROL_PLANE)


def asked_of(pod: Object, resource: str) -> str:
    """What the pod's containers request of a resource, as written."""
    asked = (text(each, "resources", "requests", resource) for each in parts(pod, "spec", "containers"))
    return " + ".join(each for each in asked if each) or "–"


def _wanted(pod: Object) -> str:
    selector = part(pod, "spec", "nodeSelector")
    pairs = [f"{key}={each}" for key, each in selector.items()]
    return ", ".join(pairs) or "affinity"


def _volume(facts: Facts, pod: Object, message: str, evidence: tuple[Evidence, ...]) -> Diagnosis:
    named = [text(each, "persistentVolumeClaim", "claimName") for each in parts(pod, "spec", "volumes")]
    names = [each for each in named if each]
    match = _CLAIM.search(message)
    claims = {name_of(each): each for each in parts(facts.claims)}
    unbound = (each for each in names if text(claims.get(each), "status", "phase") != "Bound")
    name = match["name"] if match else next(unbound, names[0] if names else "–")
    claim = claims.get(name)
    more, why = [], message.partition(": ")[2].split(". ")[0].strip(" .") or message
    if claim is not None:
        why = f"storage class {text(claim, 'spec', 'storageClassName') or '–'}, {text(claim, 'status', 'phase') or '–'}"
        more = [
            Evidence.of("event", name, text(each, "message"))
            for each in list(facts.events_of(claim, "ProvisioningFailed", "FailedBinding"))[:1]
        ]
    return Diagnosis(VOLUME, name, {"claim": name, "why": why}, (*evidence, *more), (name_of(pod),))
