"""Images that cannot be pulled: not there, no right, nobody answers, not a name, not trusted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from apps.diagnosing.containers import Container
from apps.diagnosing.diagnosis import DOWN, Diagnosis, Evidence, Wording
from apps.diagnosing.facts import Facts, text
from clusters.problems import gettext_noop as _

MISSING = Wording(
    "image_not_found",
    DOWN,
    _("Image not found"),
    _("The registry %(registry)s has no image %(image)s."),
    _(
        "Check name, tag or digest, push the image if it was never pushed, and publish a release with the right one."
    ),
    "releases",
)
DENIED = Wording(
    "image_denied",
    DOWN,
    _("No right to pull the image"),
    _("The registry %(registry)s does not let the cluster pull %(image)s."),
    _(
        "Give the environment credentials of that registry that may pull, or publish a release from one it may use."
    ),
    "releases",
)
UNREACHABLE = Wording(
    "registry_down",
    DOWN,
    _("Registry does not answer"),
    _("The nodes cannot reach the registry %(registry)s, so image %(image)s is not pulled."),
    _("Bring the registry back or mend its name or address; pulling is tried again by itself."),
    "events",
)
BAD_NAME = Wording(
    "image_bad_reference",
    DOWN,
    _("Not an image name"),
    _("%(image)s is not a valid image name."),
    _("Publish a release whose image is written as registry/name:tag or registry/name@digest."),
    "releases",
)
UNTRUSTED = Wording(
    "image_certificate",
    DOWN,
    _("Registry's certificate is not accepted"),
    _("The nodes do not accept the certificate of registry %(registry)s, so image %(image)s is not pulled."),
    _(
        "Give the registry a certificate that is valid for its name and signed by an authority the nodes trust."
    ),
    "events",
)
NOT_ON_NODE = Wording(
    "image_not_on_node",
    DOWN,
    _("Image is not on the node"),
    _("Image %(image)s may not be pulled (pull policy Never), and the node does not have it."),
    _("Publish a release whose image lies in a registry, or load the image on every node."),
    "releases",
)
WAITING = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"})

_CERTIFICATE = re.compile(r"x509|certificate|tls: ", re.I)
_DENIED = re.compile(
    r"\b40[13]\b|unauthori[sz]ed|forbidden|access denied|authorization failed|insufficient_scope|"
    r"authentication required|no basic auth",
    re.I,
)
_MISSING = re.compile(r"not found|manifest unknown|name unknown|\b404\b|no match for platform", re.I)
_UNREACHABLE = re.compile(
    r"refused|timeout|timed out|deadline exceeded|no such host|server misbehaving|no route|unreachable|reset by peer|"
    r"\bEOF\b|\b50[0234]\b|service unavailable|too many requests|dial tcp",
    re.I,
)


def problems(facts: Facts, container: Container) -> Iterator[Diagnosis]:
    """What keeps the image of one container away."""
    reason, message = container.waiting
    wording = _wording(reason, _full(facts, container, message))
    if wording is None:
        return
    image = text(container.spec, "image") or text(container.status, "image")
    evidence = [Evidence.of("state", container.source, f"{reason}: {message}" if message else reason)]
    for event in facts.events_of(container.pod, "Failed", "InspectFailed"):
        if "pull" in text(event, "message") or "image" in text(event, "message").lower():
            evidence.append(Evidence.of("event", container.pod_name, text(event, "message")))
            break
    yield Diagnosis(
        wording,
        image,
        {"image": image, "registry": registry_of(image)},
        tuple(evidence),
        (container.pod_name,),
    )


def registry_of(image: str) -> str:
    """The host part of an image's name; the public one that runtimes assume when there is none."""
    host, slash, _rest = image.partition("/")
    return host if slash and ("." in host or ":" in host or host == "localhost") else "docker.io"


def _full(facts: Facts, container: Container, message: str) -> str:
    """The waiting state forgets the cause between two tries; the events keep it."""
    if "Back-off" not in message or "ErrImagePull:" in message:
        return message
    image = text(container.spec, "image")
    said = (text(each, "message") for each in facts.events_of(container.pod, "Failed"))
    return next((each for each in said if image in each and "rror" in each), message)


def _wording(reason: str, message: str) -> Wording | None:
    if reason == "InvalidImageName":
        return BAD_NAME
    if reason == "ErrImageNeverPull":
        return NOT_ON_NODE
    if reason not in WAITING:
        return None
    for pattern, wording in (
        (_CERTIFICATE, UNTRUSTED),
        (_DENIED, DENIED),
        (_MISSING, MISSING),
        (_UNREACHABLE, UNREACHABLE),
    ):
        if pattern.search(_without_name(message)):
            return wording
    return UNREACHABLE if reason == "RegistryUnavailable" else MISSING


def _without_name(message: str) -> str:
    """Quoted names are somebody's words: an image called "timeout" says nothing about the registry."""
    return re.sub(r'"[^"]*"(?=[:, ])', '""', message)
