"""Puts everything together: what is wrong with a workload, worst first, one cause not said twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from apps.diagnosing import endings, images, log_lines, nodes, placement, probes, refusals, services
from apps.diagnosing.containers import containers_of
from apps.diagnosing.diagnosis import NOTICE, Diagnosis, Evidence, Report, Wording, merge
from apps.diagnosing.facts import Facts, Object, name_of, part, parts, text
from clusters.problems import gettext_noop as _

PAUSED = Wording(
    "rollout_paused",
    NOTICE,
    _("The rollout is held"),
    _("The workload is paused on the cluster, so a change does not reach its pods."),
    _("Deploy again to let it go on."),
    "deploy",
)
MISSING = Wording(
    "workload_missing",
    "down",
    _("The workload is not on the cluster"),
    _("The cluster has no %(kind)s of this name."),
    _("Deploy a release; if somebody took it away by hand, deploying puts it back."),
    "deploy",
)
# What only follows from another cause at the same pods: not said next to it.
_CONSEQUENCES = frozenset({"service_without_endpoints"})


def diagnose(facts: Facts) -> Report:
    """All causes that the facts show."""
    pods = [each for each in parts(facts.pods) if not _is_over(each)]
    found = [each for pod in pods for each in _of_pod(facts, pod)]
    found += [*refusals.problems(facts), *services.problems(facts), *_of_workload(facts)]
    return Report(diagnoses=merge(_told_once(found)), pods=len(pods))


def missing(kind: str) -> Report:
    """The report where the workload's object is not there."""
    return Report(diagnoses=(Diagnosis(MISSING, "", {"kind": kind}),))


def _of_pod(facts: Facts, pod: Object) -> Iterator[Diagnosis]:
    yield from nodes.problems(facts, pod)
    # What a lost node last said is old; a pod on its way out is not mended.
    if nodes.is_lost(facts, pod) or text(pod, "metadata", "deletionTimestamp"):
        return
    yield from endings.evicted(name_of(pod), pod)
    yield from placement.problems(facts, pod)
    for container in containers_of(pod):
        yield from images.problems(facts, container)
        yield from endings.problems(facts, container)
        yield from probes.problems(facts, container)
        yield from log_lines.problems(facts, container)


def _is_over(pod: Object) -> bool:
    """A job's pod that did its work."""
    return text(pod, "status", "phase") == "Succeeded" and not text(pod, "metadata", "deletionTimestamp")


def _of_workload(facts: Facts) -> Iterator[Diagnosis]:
    if part(facts.workload, "spec").get("paused") is True:
        evidence = (Evidence.of("field", name_of(facts.workload), "paused: true"),)
        yield Diagnosis(PAUSED, "", {}, evidence)


def _told_once(found: list[Diagnosis]) -> Iterator[Diagnosis]:
    has_cause = any(each.code not in _CONSEQUENCES and each.severity != NOTICE for each in found)
    for each in found:
        if each.code not in _CONSEQUENCES or not has_cause:
            yield each
