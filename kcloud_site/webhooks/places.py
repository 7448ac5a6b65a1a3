"""What a message is about, told by the apps above: the application, the environment and the page of a thing.

    know("apps.workload", places_of_workloads)

What is asked for may be gone by then (messages are written a moment later): the names that the audit trail keeps are
handed over for that. A kind of thing nobody tells of has no page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Thing:
    """What happened is about this: id and name as the audit trail keeps them, the name of its tenant ("": none)."""

    type: str
    id: str
    name: str
    tenant: str


@dataclass(frozen=True)
class Place:
    """Names of application and environment ("": none), and the page: a name of an address and its arguments,
    ("apps:detail", "retail", "web")."""

    application: str = ""
    environment: str = ""
    page: tuple[object, ...] = ()

    @property
    def path(self) -> str:
        """Empty without a page, and for names that no page can have."""
        if not self.page:
            return ""
        try:
            return reverse(str(self.page[0]), args=self.page[1:])
        except NoReverseMatch:
            return ""


NOWHERE = Place()
Reader = Callable[[list[Thing]], Mapping[str, Place]]
_READERS: dict[str, Reader] = {}


def know(kind: str, reader: Reader) -> None:
    """Have things of that type placed by `reader`: it is handed things and answers places by their ids."""
    _READERS[kind] = reader


def places_of(things: Iterable[Thing]) -> dict[tuple[str, str], Place]:
    """(type, id) -> Place, each kind asked once; what nobody knows is left out."""
    by_kind: dict[str, list[Thing]] = {}
    for thing in dict.fromkeys(things):
        by_kind.setdefault(thing.type, []).append(thing)
    found: dict[tuple[str, str], Place] = {}
    for kind, some in by_kind.items():
        if reader := _READERS.get(kind):
            found.update(((kind, identity), place) for identity, place in reader(some).items())
    return found
