"""Regions: created, described anew, deleted while nothing stands there. Raises ValueRefused and StillInUse."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from clusters.errors import StillInUse, ValueRefused
from clusters.models import Region
from clusters.planning.names import is_label, shown
from kcloud_site.audit import trail

_LONGEST_NAME = 40
_LONGEST_TITLE = 100


def create_region(*, name: str, title: str = "", description: str = "", by: Any) -> Region:
    """A new region. `name` stands in addresses and plans and cannot change; `title` is what people read."""
    name, title = name.strip(), title.strip()
    if not is_label(name, _LONGEST_NAME) or name == "new":
        raise ValueRefused(
            "name",
            _("“%(name)s” cannot be the name of a region.") % {"name": shown(name)},
            "",
            _("Use 1 to 40 lower case letters, digits and hyphens, but not “new”."),
        )
    _check_title(title)
    region = Region(name=name, title=title, description=description.strip())
    try:
        with transaction.atomic():
            region.save(force_insert=True)
            trail.record(by=by, action="region.create", subject=region, after=_shown(region))
    except IntegrityError as error:
        raise ValueRefused(
            "name",
            _("There is a region called %(name)s already.") % {"name": name},
            "",
            _("Choose another name."),
        ) from error
    return region


def describe_region(*, region: Region, title: str, description: str, by: Any) -> Region:
    """Change what people read of a region; nothing is written when nothing changed."""
    title, description = title.strip(), description.strip()
    _check_title(title)
    with transaction.atomic():
        before = _shown(region)
        region.title, region.description = title, description
        after = _shown(region)
        if before != after:
            region.save(update_fields=["title", "description"])
            trail.record(by=by, action="region.describe", subject=region, before=before, after=after)
    return region


def delete_region(*, region: Region, by: Any) -> None:
    """Remove a region without hosts and clusters."""
    with transaction.atomic():
        hosts, clusters = region.hosts.count(), region.clusters.count()
        if hosts or clusters:
            raise StillInUse(
                _("Region %(name)s cannot be deleted.") % {"name": region.name},
                _("It holds %(hosts)d hosts and %(clusters)d clusters.")
                % {"hosts": hosts, "clusters": clusters},
                _("Move or delete them first."),
            )
        trail.record(by=by, action="region.delete", subject=region, before=_shown(region))
        region.delete()


def _check_title(title: str) -> None:
    if len(title) > _LONGEST_TITLE:
        raise ValueRefused(
            "title",
            _("The title is longer than 100 characters."),
            "",
            _("Put the rest into the description."),
        )


def _shown(region: Region) -> dict[str, str]:
    return {"name": region.name, "title": region.title, "description": region.description}
