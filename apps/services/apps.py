"""Register, change and remove applications. Nothing here touches a cluster.

Errors: ValueRefused names the field; AppStillUsed while something of it runs or waits in the bin.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.errors import AppRefused, AppStillUsed, ValueRefused
from apps.models import App, Release
from kcloud_site.audit import trail
from kcloud_site.tenants.errors import TenantClosed
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.services.tenants import refuse_closed

# Addresses of pages beside those of applications.
_NO_NAMES = frozenset({"new", "import", "bin", "images", "registries", "adopt", "panel", "approvals"})
_EDITABLE = ("title", "description", "owner", "contacts", "repository", "labels", "criticality", "reload")
_MOST_LABELS = 32
_LABEL = re.compile(r"[A-Za-z0-9]([-._/A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z")


@transaction.atomic
def register_app(*, tenant: Tenant, name: str, by: Any, **values: Any) -> App:
    """A new application of the tenant. `values`: title, description, owner, contacts, repository, labels, criticality,
    reload."""
    try:
        refuse_closed(tenant)
    except TenantClosed as closed:
        raise AppRefused(str(closed)) from closed
    made = App(tenant=tenant, name=name.strip(), created_by=trail.Actor.of(by).name, **_checked(values))
    if made.name in _NO_NAMES:
        raise ValueRefused("name", _("This name is taken by a page."), "", _("Choose another name."))
    _clean(made)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise ValueRefused(
            "name",
            _("The tenant has an application called %(name)s already.") % {"name": made.name},
            "",
            _("Choose another name."),
        ) from error
    trail.record(by=by, action="app.register", subject=made, after=told(made))
    return made


@transaction.atomic
def edit_app(*, app: App, by: Any, **values: Any) -> App:
    """Change what is said of it; the name stays."""
    before = told(app)
    for field, value in _checked(values).items():
        setattr(app, field, value)
    _clean(app)
    after = told(app)
    if after != before:
        app.save()
        trail.record(by=by, action="app.edit", subject=app, before=before, after=after)
    return app


@transaction.atomic
def remove_app(*, app: App, by: Any, confirm_name: str) -> None:
    """Forget it with its releases, once nothing of it runs or waits in a bin."""
    if confirm_name != app.name:
        raise ValueRefused(
            "name",
            _("The name typed is not the application's."),
            "",
            _("Type %(name)s to confirm.") % {"name": app.name},
        )
    places = sorted(app.workloads.values_list("environment__name", flat=True))
    if places:
        raise AppStillUsed(
            _("%(app)s is still in %(places)s.") % {"app": app.name, "places": ", ".join(places)},
            _("What runs, or waits in the bin, needs it."),
            _("Remove it there and empty the bin first."),
        )
    trail.record(by=by, action="app.remove", subject=app, before=told(app))
    Release.objects.filter(app=app).delete()
    app.delete()


def told(app: App) -> dict[str, Any]:
    """What the audit trail says of an application."""
    return {field: getattr(app, field) for field in ("name", *_EDITABLE)}


def _checked(values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(values) - set(_EDITABLE)
    if unknown:
        raise ValueRefused(min(unknown), _("This cannot be set."), "", "")
    if "labels" in values:
        _check_labels(values["labels"])
    return dict(values)


def _check_labels(labels: Any) -> None:
    good = isinstance(labels, Mapping) and len(labels) <= _MOST_LABELS
    if not good or not all(
        isinstance(key, str) and _LABEL.match(key) and isinstance(value, str) and len(value) <= 100
        for key, value in labels.items()
    ):
        raise ValueRefused(
            "labels",
            _("These are no labels."),
            _(
                "A label has a name of letters, digits, dots and hyphens, and a text of at most 100 characters."
            ),
            _("Write one on each line, as “team-size: 5”; 32 at most."),
        )


def _clean(app: App) -> None:
    """The model's own rules, as one refusal that names the field."""
    try:
        app.clean_fields(exclude=["tenant"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise ValueRefused(field, messages[0]) from error
