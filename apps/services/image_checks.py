"""Whether the images of a release can be pulled where it is to run: asks, changes nothing, never raises.

Registries are asked by digest as the environment could: the platform's own for the tenant's images, others with
what the tenant keeps for them. Images of the release bundle come from no registry; the nodes say whether they
have them. What cannot be asked within `SECONDS` is UNASKED.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from apps.adapters.registry import Registry
from apps.errors import ImageForbidden, ImageNameRefused, ImageNotFound, RegistryUnreachable
from apps.previewing.facts import ABSENT, FORBIDDEN, THERE, UNASKED, ImageAnswer
from apps.services import images
from apps.specs.images import BUNDLED_HOST, Reference
from clusters import access
from clusters.errors import ClusterError, ResourceNotFound
from clusters.models import Environment
from kcloud_site.outbound.connections import AddressForbidden

SECONDS = 6.0
# Of these so many nodes stand for all: a bundle is the same on each.
_NODES = 20
# A node tells of at most so many images, the largest first.
_TOLD = 50


def can_be_pulled(wanted: Iterable[str], *, environment: Environment) -> tuple[ImageAnswer, ...]:
    """One answer for each image, in their order."""
    ends = time.monotonic() + SECONDS
    silent: dict[str, str] = {}
    found = []
    for text in dict.fromkeys(wanted):
        try:
            reference = images.parsed(text)
        except ImageNameRefused as error:
            found.append(ImageAnswer(text, ABSENT, error.what))
            continue
        if reference.host == BUNDLED_HOST:
            found.append(_on_nodes(text, environment))
        elif reference.host in silent:
            # One that did not answer is not waited for again.
            found.append(ImageAnswer(text, UNASKED, silent[reference.host]))
        else:
            answer = _in_registry(text, reference, environment, ends - time.monotonic())
            if answer.state == UNASKED:
                silent[reference.host] = answer.why
            found.append(answer)
    return tuple(found)


def _in_registry(text: str, reference: Reference, environment: Environment, seconds: float) -> ImageAnswer:
    if seconds <= 0:
        return ImageAnswer(text, UNASKED, _("Other registries took too long to answer."))
    try:
        images.refuse_foreign(reference, environment.tenant)
        Registry(replace(images.site_of(reference, environment.tenant), patience=seconds)).resolve(reference)
    except ImageNotFound as error:
        return ImageAnswer(text, ABSENT, error.what)
    except ImageForbidden as error:
        # Where the portal may not connect, nodes may all the same.
        state = UNASKED if isinstance(error.__cause__, AddressForbidden) else FORBIDDEN
        return ImageAnswer(text, state, error.what)
    except RegistryUnreachable as error:
        return ImageAnswer(text, UNASKED, " ".join(filter(None, (error.what, error.why))))
    return ImageAnswer(text, THERE)


# ---- images of the bundle


class _Image(msgspec.Struct):
    names: list[str] | None = None


class _Status(msgspec.Struct):
    images: list[_Image] | None = None


class _Metadata(msgspec.Struct):
    name: str = ""


class _Node(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    status: _Status = msgspec.field(default_factory=_Status)


class _Nodes(msgspec.Struct):
    items: list[_Node] = []


def _on_nodes(text: str, environment: Environment) -> ImageAnswer:
    unseen = ImageAnswer(text, UNASKED, _("The nodes could not be asked what they have."))
    try:
        client: Any = access.kubernetes_for(environment.cluster, timeout=SECONDS)
        nodes = msgspec.json.decode(client.get_bytes("/api/v1/nodes", limit=_NODES), type=_Nodes).items
    except (ClusterError, ResourceNotFound, msgspec.DecodeError):
        return unseen
    without = [node.metadata.name for node in nodes if not _has(node, text)]
    if not nodes or any(len(node.status.images or ()) >= _TOLD for node in nodes if not _has(node, text)):
        return unseen
    if not without:
        return ImageAnswer(text, THERE)
    why = _("It belongs to no registry, and node %(node)s does not have it.") % {"node": without[0]}
    return ImageAnswer(text, ABSENT if len(without) == len(nodes) else UNASKED, why)


def _has(node: _Node, text: str) -> bool:
    return any(text in (image.names or ()) for image in node.status.images or ())
