"""Applications from files: what is understood is shown first, then registered and published, all of it or nothing.

Errors: SpecInvalid when the text is no YAML or a specification is wrong; ValueRefused names the field; what resolving
an image ends with (apps.services.images).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.errors import SpecInvalid, ValueRefused
from apps.importing import compose, objects
from apps.importing.documents import load_all
from apps.importing.outcome import Candidate, Understood
from apps.models import App, Release
from apps.services import apps, releases
from apps.specs.reading import parse
from apps.specs.spec import Spec
from clusters.problems import Problem
from kcloud_site.audit import trail
from kcloud_site.tenants.models import Tenant

COMPOSE, MANIFESTS = Release.Source.COMPOSE, Release.Source.MANIFESTS


def understand(*, text: str, source: str) -> Understood:
    """What is in the text; nothing is saved. Raises SpecInvalid when it is not YAML."""
    documents = load_all(text)
    if source == MANIFESTS:
        return objects.read(documents)
    return compose.read(documents[0] if documents else {})


def problems_of(candidate: Candidate) -> list[Problem]:
    """What keeps its specification from being a release."""
    try:
        parse(candidate.spec)
    except SpecInvalid as refused:
        return refused.problems
    return []


def import_apps(
    *, tenant: Tenant, text: str, source: str, names: Collection[str], version: str, by: Any
) -> list[Release]:
    """Register the named applications of the text, each with its first release. One that exists already gets the
    release; its own facts stay."""
    chosen = [each for each in understand(text=text, source=source).candidates if each.name in set(names)]
    if not chosen:
        raise ValueRefused("names", _("Nothing was chosen."), "", _("Tick at least one application."))
    for each in chosen:
        if each.is_refused:
            raise ValueRefused(
                "names",
                _("%(name)s cannot run here as it is.") % {"name": each.name},
                "",
                _("Change what is refused in it, or leave it out."),
            )
    # Asks registries first: after that, everything is written in one transaction or not at all.
    specs = [(each, releases.pinned(_parsed(each), tenant, by)) for each in chosen]
    with transaction.atomic():
        return _write(tenant, specs, version, source, by)


def _write(
    tenant: Tenant, specs: Sequence[tuple[Candidate, Spec]], version: str, source: str, by: Any
) -> list[Release]:
    made = []
    for candidate, spec in specs:
        app = App.objects.filter(tenant=tenant, name=candidate.name).first()
        if app is None:
            app = apps.register_app(tenant=tenant, name=candidate.name, by=by, owner=trail.Actor.of(by).name)
        notes = _("Imported from a file.")
        made.append(
            releases.publish_pinned(app=app, version=version, spec=spec, by=by, notes=notes, source=source)
        )
    return made


def _parsed(candidate: Candidate) -> Spec:
    """Its spec; problems are told with the application they are in."""
    try:
        return parse(candidate.spec)
    except SpecInvalid as refused:
        raise SpecInvalid(
            Problem(f"{candidate.name}.{each.path}", each.code, each.text, each.fix, each.facts)
            for each in refused.problems
        ) from refused
