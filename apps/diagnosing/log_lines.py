"""Causes that only a program's own last lines tell: names that do not resolve, certificates, files it may not write.
Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from apps.diagnosing.containers import Container
from apps.diagnosing.diagnosis import DEGRADED, DOWN, LOG, Diagnosis, Evidence, Wording
from apps.diagnosing.facts import Facts, first
from clusters.problems import gettext_noop as _

NAME = Wording(
    "dns",
    DEGRADED,
    _("A name does not resolve"),
    _("Container %(container)s looks up %(name)s, and no address is found for it."),
    _("Correct the name in the configuration, or start what it names; other environments cannot be reached."),
    "config",
)
RESOLVER = Wording(
    "dns_silent",
    DEGRADED,
    _("Name service does not answer"),
    _("Container %(container)s gets no answer when it looks up %(name)s."),
    _("Other applications are likely to have the same trouble: see whether the cluster's DNS runs."),
    "events",
)
CERTIFICATE = Wording(
    "certificate",
    DEGRADED,
    _("A certificate is not accepted"),
    _("Container %(container)s refuses a connection: %(why)s."),
    _(
        "Renew the certificate, connect by the name it is made for, or give the program the authority that signed it."
    ),
    "config",
)
READ_ONLY = Wording(
    "read_only_files",
    DEGRADED,
    _("The program writes where it may not"),
    _("Container %(container)s writes to a read-only file system."),
    _("Publish a release with a volume at the place it writes to (an empty one for temporary files)."),
    "releases",
)
FORBIDDEN = Wording(
    "permission_denied",
    DOWN,
    _("The program may not do what it tries"),
    _("Container %(container)s ends with “permission denied”: its user may not use a file or port."),
    _(
        "Let the image give its files to the user it runs as, use ports above 1024, or set the volume's group."
    ),
    "releases",
)

_SILENT = re.compile(
    r"lookup (?P<name>[\w.-]+)\b.*?(i/o timeout|timed out|connection refused|server misbehaving)|"
    r"EAI_AGAIN (?P<second>[\w.-]+)|Temporary failure in name resolution"
)
_NAME = re.compile(
    r"lookup (?P<name>[\w.-]+)\b.*?no such host|ENOTFOUND (?P<second>[\w.-]+)|"
    r"could not translate host name \"(?P<third>[\w.-]+)\"|(?:could not|couldn't) resolve host:? ?(?P<fourth>[\w.-]*)|"
    r"UnknownHostException:? (?P<fifth>[\w.-]+)|bad address '(?P<sixth>[\w.-]+)'|"
    r"no such host|Name or service not known|Name does not resolve|nodename nor servname provided|getaddrinfo failed",
    re.I,
)
_CERTIFICATE = re.compile(
    r"x509: (?P<why>[^\n\"]{3,160})|(?P<second>certificate verify failed[^\n\"]{0,120})|"
    r"(?P<third>(?:self[- ]signed certificate|unable to get local issuer certificate|certificate has expired|"
    r"certificate is not valid|PKIX path[^\n\"]{0,100}|SSLHandshakeException[^\n\"]{0,100}|"
    r"tls: (?:bad|unknown|expired|handshake)[^\n\"]{0,100}))",
    re.I,
)
_READ_ONLY = re.compile(r"read-only file ?system|EROFS", re.I)
_FORBIDDEN = re.compile(r"permission denied|EACCES|Operation not permitted", re.I)


def problems(facts: Facts, container: Container) -> Iterator[Diagnosis]:
    """What the last lines say. "Permission denied" is a cause only where the program does not go on after it."""
    lines = facts.log_of(container.pod_name, container.name)
    yield from _named(container, lines)
    if diagnosis := _plain(container, lines, READ_ONLY, _READ_ONLY):
        yield diagnosis
    elif container.is_failing(facts) and (found := _plain(container, lines, FORBIDDEN, _FORBIDDEN)):
        yield found


def _named(container: Container, lines: Sequence[str]) -> Iterator[Diagnosis]:
    if match := first(_NAME, *reversed(lines)):
        yield _diagnosis(NAME, container, match, name=_group(match) or "–")
    elif match := first(_SILENT, *reversed(lines)):
        yield _diagnosis(RESOLVER, container, match, name=_group(match) or "–")
    if match := first(_CERTIFICATE, *reversed(lines)):
        yield _diagnosis(CERTIFICATE, container, match, why=_group(match).strip(" .:;"))


def _plain(
    container: Container, lines: Sequence[str], wording: Wording, pattern: re.Pattern[str]
) -> Diagnosis | None:
    match = first(pattern, *reversed(lines))
    return _diagnosis(wording, container, match) if match else None


def _diagnosis(wording: Wording, container: Container, match: re.Match[str], **facts: str) -> Diagnosis:
    about = f"{container.name} {facts.get('name', '')}"
    evidence = (Evidence.of(LOG, container.source, match.string),)
    return Diagnosis(wording, about, {"container": container.name, **facts}, evidence, (container.pod_name,))


def _group(match: re.Match[str]) -> str:
    return next((each for each in match.groupdict().values() if each), "")
