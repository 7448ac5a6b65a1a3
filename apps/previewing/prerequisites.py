"""What must be there before pods can start: their images, their configuration, room for their volumes. Pure.

What could not be asked is said, and never keeps a deployment from being made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apps.previewing.changes import template_of
from apps.previewing.facts import (
    ABSENT,
    FORBIDDEN,
    THERE,
    Facts,
    ImageAnswer,
    Object,
    Storage,
    as_map,
    as_maps,
    count,
    key_of,
)
from apps.previewing.report import BLOCK, PASS, WARN, Finding, finding
from clusters.problems import gettext_noop as _


def prerequisites(facts: Facts, workload: Object, before: Object | None) -> list[Finding]:
    """`workload`: what is wanted; `before`: what runs there now."""
    return [
        *_images(facts.images, template_of(before)),
        *_configuration(facts),
        *_volumes(facts, workload),
    ]


# ---- images


def _images(answers: tuple[ImageAnswer, ...], before: Mapping[str, Any]) -> Iterator[Finding]:
    running = {str(each.get("image", "")) for each in as_maps(as_map(before.get("spec")).get("containers"))}
    for each in answers:
        if each.state != THERE:
            yield _image(each, runs=each.image in running)
    if answers and all(each.state == THERE for each in answers):
        yield finding(PASS, "images_there", _("All images can be pulled."))


def _image(answer: ImageAnswer, *, runs: bool) -> Finding:
    told = {"image": answer.image, "why": answer.why}
    if answer.state not in (ABSENT, FORBIDDEN):
        return finding(
            WARN,
            "image_unasked",
            _("Whether %(image)s can be pulled could not be checked: %(why)s"),
            told,
            _("Preview again in a moment. If it stays so, nodes may not reach the registry either."),
        )
    if runs:
        # Nodes keep what they pulled: those pods go on, and new ones may find it there.
        return finding(
            WARN,
            "image_going",
            _("%(image)s runs now but cannot be pulled any more: %(why)s"),
            told,
            _("Push it again: a pod that moves to a node without the image would not start."),
        )
    if answer.state == ABSENT:
        return finding(
            BLOCK,
            "image_absent",
            _("There is no image %(image)s: %(why)s"),
            told,
            _("Push the image again, or deploy a release whose image is there."),
        )
    return finding(
        BLOCK,
        "image_forbidden",
        _("The environment may not pull %(image)s: %(why)s"),
        told,
        _(
            "Push the image below the tenant's name in the platform's registry, and publish a release with it."
        ),
    )


# ---- configuration


def _configuration(facts: Facts) -> Iterator[Finding]:
    found = facts.configuration
    if found is None:
        return
    if not found.published:
        yield finding(
            WARN,
            "configuration_missing",
            _(
                "The release reads its configuration, and none is published in this environment: pods start"
                " without it."
            ),
            {},
            _("Publish a configuration in this environment first, or copy that of another one."),
        )
    elif not found.chosen:
        yield finding(
            WARN,
            "configuration_not_chosen",
            _("The release reads its configuration, but it would run without any."),
            {},
            _("Choose the published revision."),
        )
    elif found.lacking:
        names = ", ".join(found.lacking[:8]) + (", …" if len(found.lacking) > 8 else "")
        yield finding(
            WARN,
            "configuration_lacks",
            _("The configuration lacks keys that it has in other environments: %(names)s."),
            {"names": names},
            _("Publish a revision with them, if the release needs them here too."),
        )
    else:
        yield finding(PASS, "configuration_there", _("The configuration it reads is published."))


# ---- volumes


def _volumes(facts: Facts, workload: Object) -> Iterator[Finding]:
    claims = as_maps(as_map(workload.get("spec")).get("volumeClaimTemplates"))
    if not claims or not _makes_claims(facts, workload):
        return
    if facts.storage is None:
        yield finding(
            WARN, "storage_unseen", _("Whether there is storage for its volumes could not be seen.")
        )
        return
    found = [bad for each in claims if (bad := _volume(each, facts.storage))]
    yield from found
    if not found:
        yield finding(PASS, "storage_there", _("The storage classes of its volumes are there."))


def _makes_claims(facts: Facts, workload: Object) -> bool:
    """Whether pods are made that have no claim yet: those that were there keep theirs."""
    found = facts.found.get(key_of(workload))
    if found is None:
        return True
    now = count(as_map(found.get("spec")).get("replicas"), 1)
    return count(as_map(workload.get("spec")).get("replicas"), 1) > now


def _volume(claim: Mapping[str, Any], storage: Storage) -> Finding | None:
    name = str(as_map(claim.get("metadata")).get("name", ""))
    wanted = str(as_map(claim.get("spec")).get("storageClassName") or "")
    if (wanted or storage.default) in storage.classes or wanted in storage.unclaimed:
        return None
    there = ", ".join(sorted(storage.classes)) or "–"
    if wanted:
        return finding(
            BLOCK,
            "storage_class",
            _(
                "Volume %(volume)s wants storage class %(name)s, which this cluster does not have (%(there)s)."
            ),
            {"volume": name, "name": wanted, "there": there},
            _("Publish a release with a class that is there, or ask a platform operator to add it."),
        )
    return finding(
        BLOCK,
        "storage_default",
        _("Volume %(volume)s names no storage class, and this cluster has no usual one (%(there)s)."),
        {"volume": name, "there": there},
        _("Publish a release that names a class, or ask a platform operator for storage on this cluster."),
    )
