"""The probe coach: what a release's health checks are likely to do wrong, and what to write instead. Pure.

`advise(spec, observed)` takes the release's stored form and what was seen of its pods (`observe(facts)`), and answers
clusters.problems.Problem: `path` names the check in the release. No content makes it fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.diagnosing.containers import containers_of
from apps.diagnosing.facts import Facts, Object, number, part, parts, text, texts, time_of
from apps.diagnosing.probes import KINDS
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

# Fields left out of a release, as apps.specs.spec.Probe has them.
PERIOD, TIMEOUT, FAILURES = 10, 1, 3
COSTLY_PERIOD = 10
_LATE = re.compile(
    r"^(?P<kind>Startup|Readiness|Liveness) probe .*(?:timeout|timed out|deadline exceeded|within)", re.S
)


@dataclass(frozen=True)
class Observed:
    """What pods showed: the longest start of each container in seconds, and checks that waited too short."""

    starts: Mapping[str, int] = field(default_factory=dict)
    late: frozenset[tuple[str, str]] = frozenset()


def observe(facts: Facts) -> Observed:
    """Reads starts and time-outs off pods and events."""
    starts: dict[str, int] = {}
    late: set[tuple[str, str]] = set()
    for pod in parts(facts.pods):
        for container in containers_of(pod):
            took = _start(pod, container.status)
            if took is not None:
                starts[container.name] = max(took, starts.get(container.name, 0))
            for event in facts.events_of(pod, "Unhealthy", "ProbeWarning"):
                match = _LATE.match(text(event, "message"))
                if match and f"{{{container.name}}}" in text(event, "involvedObject", "fieldPath"):
                    late.add((container.name, match["kind"].lower()))
    return Observed(starts, frozenset(late))


def advise(spec: object, observed: Observed | None = None) -> list[Problem]:
    """What could be better, in the release's own order."""
    seen = observed or Observed()
    found = []
    for index, container in enumerate(parts(spec, "containers")):
        at = f"containers.{index}.probes"
        probes = {kind: part(container, "probes", kind) for kind in KINDS}
        found += [*_absent(spec, container, probes, at, is_first=index == 0)]
        found += [*_liveness(container, probes, seen, at)]
        for kind, probe in probes.items():
            if probe:
                found += [*_one(container, kind, probe, seen, f"{at}.{kind}")]
    return found


def _start(pod: Object, status: Object) -> int | None:
    """From the container's start until the pod served, when it never was started again."""
    begun = time_of(text(status, "state", "running", "startedAt"))
    served = next(
        (
            time_of(text(each, "lastTransitionTime"))
            for each in parts(pod, "status", "conditions")
            if text(each, "type") == "Ready" and text(each, "status") == "True"
        ),
        None,
    )
    if begun is None or served is None or number(status, "restartCount"):
        return None
    return max(0, int((served - begun).total_seconds()))


def _absent(
    spec: object, container: Object, probes: Mapping[str, Object], at: str, *, is_first: bool
) -> Iterator[Problem]:
    name = text(container, "name")
    if probes["liveness"] and not probes["startup"]:
        yield Problem(
            f"{at}.startup",
            "no_startup_probe",
            _("Container %(container)s has a liveness check but no startup check."),
            _("Add a startup check: a slow start is then waited for instead of being ended half-way."),
            {"container": name},
        )
    serves = bool(parts(spec, "service", "ports")) and is_first
    if serves and not probes["readiness"]:
        yield Problem(
            f"{at}.readiness",
            "no_readiness_probe",
            _("Container %(container)s is behind a Service but has no readiness check."),
            _("Add a readiness check: requests then go only to pods that can answer, also while deploying."),
            {"container": name},
        )


def _liveness(container: Object, probes: Mapping[str, Object], seen: Observed, at: str) -> Iterator[Problem]:
    name, liveness, path = text(container, "name"), probes["liveness"], f"{at}.liveness"
    if not liveness:
        return
    if probes["readiness"] and _asks(liveness) == _asks(probes["readiness"]):
        yield Problem(
            path,
            "liveness_copies_readiness",
            _("Liveness and readiness of container %(container)s ask the same."),
            _(
                "Let liveness ask less: when a database is away, pods should not be restarted, only not be asked."
            ),
            {"container": name},
        )
    patience = _patience(liveness) + number(liveness, "delay")
    took = seen.starts.get(name, 0)
    if not probes["startup"] and took > patience:
        yield Problem(
            path,
            "liveness_too_eager",
            _("Liveness of container %(container)s gives up after %(patience)s s; a start took %(took)s s."),
            _("Add a startup check that waits longer, or give liveness more failures."),
            {"container": name, "patience": patience, "took": took},
        )


def _one(container: Object, kind: str, probe: Object, seen: Observed, path: str) -> Iterator[Problem]:
    name = text(container, "name")
    given: dict[str, str | int] = {
        "container": name,
        "timeout": _at_least_one(probe, "timeout", TIMEOUT),
        "period": _at_least_one(probe, "period", PERIOD),
        "port": number(probe, "port"),
    }
    if (name, kind) in seen.late:
        yield Problem(
            path,
            f"{kind}_timeout_short",
            _(
                "A check of container %(container)s waits %(timeout)s s, and answers were seen that took longer."
            ),
            _("Give it a longer time-out, or let it ask something that is answered quickly."),
            given,
        )
    if text(probe, "type") == "exec" and _at_least_one(probe, "period", PERIOD) < COSTLY_PERIOD:
        yield Problem(
            path,
            "exec_probe_often",
            _("A check of container %(container)s starts a program every %(period)s s in each pod."),
            _(
                "Ask by HTTP, TCP or gRPC instead, or less often: a started program costs far more than a request."
            ),
            given,
        )
    declared = [number(each, "port") for each in parts(container, "ports")]
    if text(probe, "type") in ("http", "tcp", "grpc") and given["port"] and given["port"] not in declared:
        yield Problem(
            path,
            "probe_port_undeclared",
            _("A check of container %(container)s asks port %(port)s, which the container does not declare."),
            _("Declare the port, or correct the check."),
            given,
        )


def _asks(probe: Object) -> tuple[Any, ...]:
    """What makes two checks the same."""
    return (
        text(probe, "type"),
        number(probe, "port"),
        text(probe, "path"),
        tuple(texts(probe, "command")),
        text(probe, "service"),
    )


def _patience(probe: Object) -> int:
    return _at_least_one(probe, "failures", FAILURES) * _at_least_one(probe, "period", PERIOD)


def _at_least_one(probe: Object, name: str, otherwise: int) -> int:
    return max(1, number(probe, name, otherwise=otherwise))
