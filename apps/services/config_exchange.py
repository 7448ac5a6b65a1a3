"""Import of an exported configuration: what it would change, then a draft of it.

A draft that is open is replaced by its next edition, like by the editor. Errors: ConfigurationInvalid,
ConfigurationChanged, ConfigurationRefused (on trial).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.configuring.comparing import Change, difference
from apps.configuring.entries import parse
from apps.configuring.exchange import is_whole, merged, read
from apps.models import App, ConfigRevision
from apps.selectors import configurations as reading
from apps.services import configurations
from clusters.models import Environment


@dataclass(frozen=True)
class Preview:
    """What an import would make of what is there. `kept`: secrets that stay as they are; `files_stay`: the format
    holds variables only."""

    changes: tuple[Change, ...]
    kept: tuple[str, ...]
    count: int
    files_stay: bool
    base: ConfigRevision | None

    @property
    def expected(self) -> str:
        """The version it is meant for."""
        return self.base.etag if self.base else ""


def preview_import(*, app: App, environment: Environment, text: str, form: str) -> Preview:
    """What a draft of it would change. Saves nothing."""
    base = reading.open_revision(app, environment) or reading.published(app, environment)
    there = reading.entries_of(base)
    before = {each.name: each for each in there}
    found = parse(merged(form, read(form, text), there), [each.name for each in there if each.secret])
    kept = tuple(each.name for each in found if each.value is None)
    # A secret that stays is the one that is there; one that is given anew counts as changed.
    after = tuple(before[each.name] if each.name in kept else each for each in found)
    return Preview(difference(there, after), kept, len(found), not is_whole(form), base)


def import_draft(
    *, app: App, environment: Environment, text: str, form: str, by: Any, note: str = "", expected: str = ""
) -> ConfigRevision:
    """The draft. `expected` as in configurations.save_draft."""
    base = reading.open_revision(app, environment) or reading.published(app, environment)
    entries = merged(form, read(form, text), reading.entries_of(base))
    return configurations.save_draft(
        app=app, environment=environment, entries=entries, by=by, note=note, expected=expected
    )
