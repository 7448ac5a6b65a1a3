"""Pods that are not even made: quota, Pod Security, other rules of the cluster. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.diagnosing.diagnosis import DOWN, Diagnosis, Evidence, Wording
from apps.diagnosing.facts import Facts, Object, name_of, number, parts, text
from clusters.problems import gettext_noop as _

QUOTA = Wording(
    "quota_exceeded",
    DOWN,
    _("The environment's share is used up"),
    _("No further pod is made: it would need %(requested)s, and of %(limited)s already %(used)s is in use."),
    _("Scale something in, ask for less in the release, or ask for a larger share of the environment."),
    "environment",
)
QUOTA_UNSAID = Wording(
    "quota_needs_limits",
    DOWN,
    _("The release does not say what it needs"),
    _("The environment counts what pods need, and this one does not say: %(missing)s."),
    _("Publish a release with these requests or limits."),
    "releases",
)
LIMITS = Wording(
    "limits_refused",
    DOWN,
    _("The release asks for more than one container may"),
    _("The environment's limits do not allow what a container asks for: %(why)s."),
    _("Publish a release that stays within the limits."),
    "releases",
)
SECURITY = Wording(
    "policy_refused",
    DOWN,
    _("Refused by the environment's security rules"),
    _("No pod is made, because it would break a rule of the environment: %(why)s."),
    _("Publish a release that does without it; environments do not run what may harm their node."),
    "releases",
)
ADMISSION = Wording(
    "admission_refused",
    DOWN,
    _("Refused by a rule of the cluster"),
    _("A rule of the cluster does not admit the pod: %(why)s."),
    _("Change the release so that the rule is kept, or ask the platform's operators about it."),
    "releases",
)
OTHER = Wording(
    "create_refused",
    DOWN,
    _("Pods are not made"),
    _("The cluster refuses to make pods: %(why)s."),
    _("Correct what is named, or ask the platform's operators."),
    "events",
)

_QUOTA = re.compile(
    r"exceeded quota: (?P<name>[^,\s]+), requested: (?P<requested>.*?), used: (?P<used>.*?), limited: (?P<limited>.*)"
)
_UNSAID = re.compile(r"failed quota: [^:]+: must specify (?P<missing>.*)")
_SECURITY = re.compile(r"violates PodSecurity \"[^\"]*\": (?P<why>.*)", re.S)
_ADMISSION = re.compile(
    r"admission webhook \"(?P<hook>[^\"]*)\" denied|failed calling webhook \"(?P<failed>[^\"]*)\"|"
    r"ValidatingAdmissionPolicy '(?P<policy>[^']*)'"
)
_LIMITS = re.compile(r"(?P<why>(?:maximum|minimum) \S+ usage per (?:Container|Pod)[^\"\]]*)")
_FORBIDDEN = re.compile(r"forbidden: (?P<why>.*)", re.S)


def problems(facts: Facts) -> Iterator[Diagnosis]:
    """Why the workload has fewer pods than it should and none is on its way."""
    for source, kind, message in _complaints(facts):
        yield _diagnosis(source, kind, message)


def _complaints(facts: Facts) -> Iterator[tuple[str, str, str]]:
    """The newest complaint of each maker of pods that is short of pods."""
    for owner in [*parts(facts.replicasets), *_self(facts)]:
        wanted = number(owner, "spec", "replicas", otherwise=1)
        if wanted <= number(owner, "status", "replicas"):
            continue
        event = next(facts.events_of(owner, "FailedCreate"), None)
        if event is not None:
            yield name_of(owner), "event", text(event, "message")
            continue
        for condition in parts(owner, "status", "conditions"):
            if text(condition, "type") == "ReplicaFailure" and text(condition, "status") == "True":
                yield name_of(owner), "state", text(condition, "message")


def _self(facts: Facts) -> list[Object]:
    """A Deployment only repeats what its ReplicaSets say."""
    return parts([facts.workload]) if not parts(facts.replicasets) else []


def _diagnosis(source: str, kind: str, message: str) -> Diagnosis:
    evidence = (Evidence.of(kind, source, message),)
    if match := _QUOTA.search(message):
        return Diagnosis(QUOTA, match["name"], match.groupdict(), evidence)
    for pattern, wording in ((_UNSAID, QUOTA_UNSAID), (_SECURITY, SECURITY), (_LIMITS, LIMITS)):
        if match := pattern.search(message):
            return Diagnosis(wording, "", _short(match.groupdict()), evidence)
    if match := _ADMISSION.search(message):
        named = next(each for each in match.groups() if each is not None)
        return Diagnosis(ADMISSION, named, {"why": named or "–"}, evidence)
    match = _FORBIDDEN.search(message)
    return Diagnosis(OTHER, "", _short({"why": match["why"] if match else message}), evidence)


def _short(found: dict[str, str]) -> dict[str, str]:
    return {key: each[:300].rstrip(" .") or "–" for key, each in found.items()}
