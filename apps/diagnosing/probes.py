"""Health checks that fail, and answers that come later than a check waits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.diagnosing.containers import Container
from apps.diagnosing.diagnosis import DEGRADED, DOWN, Diagnosis, Evidence, Word, Wording
from apps.diagnosing.facts import Facts, Object, number, part, parts, text, when_of
from clusters.problems import gettext_noop as _

STARTUP = Wording(
    "startup_failing",
    DOWN,
    _("Startup check fails"),
    _("Container %(container)s is not up in the time its startup check gives it (%(check)s): %(why)s."),
    _("Let the check ask what the program answers, or give it more failures or a longer period."),
    "health",
)
READINESS = Wording(
    "readiness_failing",
    DEGRADED,
    _("Readiness check fails"),
    _(
        "Container %(container)s runs but gets no requests, because its readiness check (%(check)s) fails: %(why)s."
    ),
    _("See in the logs what it waits for. If it works, correct the path or port of the check."),
    "logs",
)
LIVENESS = Wording(
    "liveness_failing",
    DOWN,
    _("Liveness check fails"),
    _(
        "Container %(container)s is ended again and again, because its liveness check (%(check)s) fails: %(why)s."
    ),
    _("Correct the check, or make it more patient: it should only fail when a restart helps."),
    "health",
)
SLOW = Wording(
    "probe_timeout",
    DEGRADED,
    _("Check waits shorter than the answer takes"),
    _(
        "The %(kind)s check of container %(container)s (%(check)s) waits %(timeout)s s, and the answer takes longer."
    ),
    _("Give the check a longer time-out, or let it ask something cheaper."),
    "health",
)
PORT = Wording(
    "port_mismatch",
    DOWN,
    _("Nobody listens on that port"),
    _(
        "The %(kind)s check of container %(container)s asks port %(port)s, but the container declares %(ports)s."
    ),
    _("Correct the port of the check, or let the program listen there."),
    "releases",
)

_SAID = re.compile(
    r"^(?P<kind>Startup|Readiness|Liveness) probe (?:failed|errored|warning)[^:]*: ?(?P<why>.*)", re.S
)
_LATE = re.compile(r"timeout|timed out|deadline exceeded|did not complete within", re.I)
_NO_CONNECTION = re.compile(r"dial tcp|connection refused", re.I)
_REFUSED = re.compile(r"connection refused", re.I)
_WORDINGS = {"startup": STARTUP, "readiness": READINESS, "liveness": LIVENESS}
KINDS = {"startup": _("startup"), "readiness": _("readiness"), "liveness": _("liveness")}
RECENT = 900.0


def problems(facts: Facts, container: Container) -> Iterator[Diagnosis]:
    """The checks of one container that fail now, one cause each."""
    newest: dict[str, tuple[str, Object]] = {}
    for event in facts.events_of(container.pod, "Unhealthy", "ProbeWarning"):
        match = _SAID.match(text(event, "message"))
        where = text(event, "involvedObject", "fieldPath")
        if match is None or (where and f"{{{container.name}}}" not in where) or not _recent(facts, event):
            continue
        newest.setdefault(match["kind"].lower(), (match["why"].strip(), event))
    for kind, (why, event) in newest.items():
        if _matters(facts, container, kind):
            yield _diagnosis(container, kind, why, event)


def check_of(spec: Object, kind: str) -> str:
    """A probe in a few words: "GET :8080/healthz"."""
    probe = part(spec, f"{kind}Probe")
    if http := part(probe, "httpGet"):
        return f"GET :{text(http, 'port')}{text(http, 'path') or '/'}"
    if tcp := part(probe, "tcpSocket"):
        return f"TCP :{text(tcp, 'port')}"
    if grpc := part(probe, "grpc"):
        return f"gRPC :{text(grpc, 'port')}"
    command = part(probe, "exec").get("command")
    words = [each for each in command if isinstance(each, str)] if isinstance(command, list) else []
    return " ".join(words)[:120] or kind


def _matters(facts: Facts, container: Container, kind: str) -> bool:
    """A failure long mended, or one while the program was starting, is no trouble."""
    if kind == "readiness":
        return container.is_running and not container.is_ready
    if kind == "startup":
        return container.status.get("started") is not True
    return container.restarts > 0 or not container.is_ready or not container.is_running


def _recent(facts: Facts, event: Object) -> bool:
    ago = facts.seconds_since(when_of(event))
    return ago is None or ago < RECENT


def _diagnosis(container: Container, kind: str, why: str, event: Object) -> Diagnosis:
    probe = part(container.spec, f"{kind}Probe")
    ports = [text(each, "containerPort") for each in parts(container.spec, "ports")]
    asked = _port(container.spec, probe)
    given: dict[str, str | int] = {
        "container": container.name,
        "kind": Word(KINDS[kind]),
        "check": check_of(container.spec, kind),
        "why": _short(why),
        "timeout": number(probe, "timeoutSeconds", otherwise=1),
        "port": asked,
        "ports": ", ".join(ports),
    }
    wording = _WORDINGS[kind]
    if _REFUSED.search(why) and asked and ports and asked not in ports:
        wording = PORT
    elif _LATE.search(why) and not _NO_CONNECTION.search(why):
        wording = SLOW
    evidence = Evidence.of("event", container.pod_name, text(event, "message"))
    return Diagnosis(wording, f"{container.name} {kind}", given, (evidence,), (container.pod_name,))


def _port(spec: Object, probe: Object) -> str:
    """The number a probe asks, names looked up."""
    asked = next(
        (text(probe, way, "port") for way in ("httpGet", "tcpSocket", "grpc") if part(probe, way)), ""
    )
    named = {text(each, "name"): text(each, "containerPort") for each in parts(spec, "ports")}
    return named.get(asked, asked)


def _short(why: str) -> str:
    line = why.splitlines()[0] if why else ""
    return line[:200].rstrip(" .") or "–"
