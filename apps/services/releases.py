"""Publish releases: immutable, images by digest.

Errors: SpecInvalid with every problem of the specification; ValueRefused names the field; what resolving an image ends
with (apps.services.images): nothing is published then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from apps.errors import ValueRefused
from apps.models import App, Release
from apps.services.images import resolve_image
from apps.specs.reading import parse
from apps.specs.spec import Spec, as_json
from kcloud_site.audit import trail
from kcloud_site.tenants.models import Tenant


def publish_release(
    *, app: App, version: str, spec: object, by: Any, notes: str = "", source: str = Release.Source.FORM
) -> Release:
    """Make `spec` (anything apps.specs.reading.parse takes) a release called `version`.

    Tags become digests now, so that what was tried in one environment is what runs in the next."""
    checked = parse(spec)
    made = _drafted(app, version, checked, by, notes, source)
    if app.releases.filter(version=made.version).exists():
        raise _version_taken(made.version)
    # Asks registries: outside of any transaction.
    made.spec = as_json(pinned(checked, app.tenant, by))
    return _save(made, by)


def publish_or_reuse(*, app: App, version: str, spec: object, by: Any, notes: str = "") -> Release:
    """As `publish_release`, but a release of that version with the very same content is answered as it is: a job of CI
    that runs again publishes nothing anew."""
    there = app.releases.filter(version=version.strip()).first()
    if there is None:
        return publish_release(
            app=app, version=version, spec=spec, by=by, notes=notes, source=Release.Source.API
        )
    if as_json(pinned(parse(spec), app.tenant, by)) != there.spec:
        raise _version_taken(there.version)
    return there


def publish_pinned(
    *, app: App, version: str, spec: Spec, by: Any, notes: str = "", source: str = Release.Source.FORM
) -> Release:
    """The same for a spec whose images `pinned` has fixed already: asks no registry, so it may be part of a
    transaction."""
    return _save(_drafted(app, version, spec, by, notes, source), by)


def pinned(spec: Spec, tenant: Tenant, by: Any) -> Spec:
    """The same with each image by its digest. Asks registries."""
    containers = []
    for container in spec.containers:
        image, _digest = resolve_image(container.image, tenant=tenant, by=by)
        containers.append(replace(container, image=image))
    return replace(spec, containers=tuple(containers))


def _drafted(app: App, version: str, spec: Spec, by: Any, notes: str, source: str) -> Release:
    made = Release(
        tenant_id=app.tenant_id,
        app=app,
        number=1,
        version=version.strip(),
        spec=as_json(spec),
        notes=notes,
        source=source,
        created_by=trail.Actor.of(by).name,
    )
    _clean(made)
    return made


def _save(made: Release, by: Any) -> Release:
    """Give it the next number. Two people at once: the database lets one win, the other takes the number after."""
    for _attempt in range(5):
        newest = Release.objects.filter(app_id=made.app_id).aggregate(last=Max("number"))["last"]
        made.number = (newest or 0) + 1
        try:
            with transaction.atomic():
                made.save(force_insert=True)
                images = [each["image"] for each in made.spec["containers"]]
                after = {"version": made.version, "number": made.number, "images": images}
                trail.record(
                    by=by, action="release.publish", subject=made, after=after, reason=made.notes[:200]
                )
            return made
        except IntegrityError:
            made.pk = None
            if Release.objects.filter(app_id=made.app_id, version=made.version).exists():
                raise _version_taken(made.version) from None
    raise ValueRefused(
        "version", _("Too many releases were published at the same moment."), "", _("Publish it again.")
    )


def _version_taken(version: str) -> ValueRefused:
    return ValueRefused(
        "version",
        _("There is a release %(version)s already.") % {"version": version},
        _("Releases never change."),
        _("Choose another version."),
    )


def _clean(made: Release) -> None:
    try:
        made.clean_fields(exclude=["tenant", "app", "spec"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise ValueRefused(field, messages[0]) from error
