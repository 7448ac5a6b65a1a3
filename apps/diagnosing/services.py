"""Services that lead nowhere: no pod behind them, or a port nobody has. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from apps.diagnosing.diagnosis import DEGRADED, DOWN, Diagnosis, Evidence, Wording
from apps.diagnosing.facts import (
    Facts,
    Object,
    labels_of,
    name_of,
    number,
    part,
    parts,
    selects,
    text,
    unique,
)
from clusters.problems import gettext_noop as _

NOBODY = Wording(
    "service_without_pods",
    DOWN,
    _("Service without endpoints"),
    _("Service %(service)s leads to no pod: none has the labels it selects (%(selector)s)."),
    _("Deploy again, which puts the selector right, or start the application if it is stopped."),
    "deploy",
)
NOT_READY = Wording(
    "service_without_endpoints",
    DOWN,
    _("Service without endpoints"),
    _("Service %(service)s leads to %(pods)s pods, and none of them is ready."),
    _("See why the pods are not ready."),
    "logs",
)
PORT = Wording(
    "port_mismatch",
    DEGRADED,
    _("Service leads to a port nobody has"),
    _("Service %(service)s sends port %(port)s to %(target)s, but the pods declare %(ports)s."),
    _("Correct the target port of the Service or the port of the container, and publish the release."),
    "releases",
)


def problems(facts: Facts) -> Iterator[Diagnosis]:
    """What is wrong between the application's Services and its pods."""
    wanted = number(facts.workload, "spec", "replicas", otherwise=1)
    for service in parts(facts.services):
        selector = part(service, "spec", "selector")
        if not selector:
            continue
        behind = [each for each in parts(facts.pods) if selects(selector, labels_of(each))]
        if behind:
            yield from _ports(service, behind)
        if wanted and not _has_endpoints(facts, service):
            yield _nobody(service, selector, behind)


def _nobody(service: Object, selector: Object, behind: list[Object]) -> Diagnosis:
    name = name_of(service)
    shown = ", ".join(f"{key}={each}" for key, each in selector.items())
    given: dict[str, str | int] = {"service": name, "selector": shown, "pods": len(behind)}
    evidence = (Evidence.of("field", f"Service {name}", f"selector: {shown}"),)
    return Diagnosis(
        NOT_READY if behind else NOBODY, name, given, evidence, tuple(name_of(each) for each in behind)
    )


def _has_endpoints(facts: Facts, service: Object) -> bool:
    """Somebody ready is behind it. A Service whose slices were not given is not judged."""
    own = [
        each
        for each in parts(facts.slices)
        if labels_of(each).get("kubernetes.io/service-name") == name_of(service)
    ]
    if not own:
        return not parts(facts.slices) and bool(parts(facts.pods))
    return any(
        part(each, "conditions").get("ready") is not False for one in own for each in parts(one, "endpoints")
    )


def _ports(service: Object, pods: list[Object]) -> Iterator[Diagnosis]:
    name = name_of(service)
    for port in parts(service, "spec", "ports"):
        target = text(port, "targetPort") or text(port, "port")
        declared = [
            each
            for pod in pods
            for container in parts(pod, "spec", "containers")
            for each in parts(container, "ports")
        ]
        known = {text(each, "containerPort") for each in declared} | {text(each, "name") for each in declared}
        if not declared or target in known:
            continue
        shown = ", ".join(unique(text(each, "containerPort") for each in declared))
        given: dict[str, str | int] = {
            "service": name, "port": text(port, "port"), "target": target, "ports": shown,
        }  # fmt: skip
        line = f"ports: port {text(port, 'port')}, targetPort {target}"
        evidence = (Evidence.of("field", f"Service {name}", line),)
        yield Diagnosis(
            PORT, f"service {name} {target}", given, evidence, tuple(name_of(each) for each in pods)
        )
