"""What became of a file or of what runs already: applications with their releases, and what was not understood. Pure.

A Note says of one place in the source what was made of it. Nothing is dropped in silence: what has no counterpart is
IGNORED with the reason, what must not run here is REFUSED and keeps its application from being imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clusters.problems import Translate

TAKEN, CHANGED, IGNORED, REFUSED = "taken", "changed", "ignored", "refused"


@dataclass(frozen=True)
class Note:
    """`path` in the source ("services.web.ports.0"); `text` is a template that `facts` fills."""

    path: str
    level: str
    text: str
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def message_in(self, translate: Translate) -> str:
        """The note in the language `translate` turns to."""
        return translate(self.text) % self.facts


@dataclass(frozen=True)
class Candidate:
    """One application to be. `spec` is for apps.specs.reading.parse; `secrets` are variables that should become its
    configuration: by name only, their values are not taken over."""

    name: str
    spec: dict[str, Any]
    replicas: int = 1
    notes: tuple[Note, ...] = ()
    secrets: tuple[str, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether something in it must not run here."""
        return any(note.level == REFUSED for note in self.notes)


@dataclass(frozen=True)
class Understood:
    """All of a source: its applications, and notes that belong to none of them."""

    candidates: tuple[Candidate, ...] = ()
    notes: tuple[Note, ...] = ()


class Notes:
    """Collects notes while a source is read."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self.kept: list[Note] = []

    def add(self, place: str, level: str, text: str, **facts: str | int) -> None:
        """`place` is below the path this collector was made for."""
        path = ".".join(part for part in (self._path, place) if part)
        self.kept.append(Note(path, level, text, facts))
