"""Reads a YAML list of hosts from the parser's events, so that nothing is ever constructed. Pure.

Accepts a list of flat mappings, or a mapping whose one key `hosts` holds it. Values are the text they are. Anchors,
aliases, tags, nesting, unknown or repeated keys are refused by NotRows with the line; reading stops at the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from clusters.hosts.file_rows import LineRows, NotRows
from clusters.planning.names import shown
from clusters.problems import Problem
from clusters.problems import gettext_noop as _


def read_yaml(text: str, *, most_rows: int, columns: Sequence[str], required: Sequence[str] = ()) -> LineRows:
    """(line, cells) of every host; one more than `most_rows` at the most. Raises NotRows and nothing else.

    What is `required` is missed row by row: every host of a YAML list has fields of its own."""
    try:
        return _Reader(_Parser(typ="rt", pure=True).parse(text), most_rows, columns).rows()
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise _not_yaml(mark.line + 1 if mark else 1) from error
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        AssertionError,
        RecursionError,
        StopIteration,
    ) as error:
        # The parser's own stumbles over malformed text: for the reader of the message the same thing.
        raise _not_yaml(1) from error


class _Parser(YAML):
    """The library's parser without its plug-ins: looking for them reads a directory at every call."""

    def official_plug_ins(self) -> list[str]:
        return []


class _Reader:
    def __init__(self, events: Iterator[Event], most_rows: int, columns: Sequence[str]) -> None:
        self.events, self.most_rows, self.columns = events, most_rows, columns

    def next(self) -> Event:
        event = next(self.events)
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            raise _refused(
                event, "alias", _("Anchors and aliases are not read here."), _("Write every value out.")
            )
        if isinstance(event, NodeEvent) and getattr(event, "tag", None):
            raise _refused(event, "tag", _("Tags are not read here."), _("Write plain values."))
        return event

    def rows(self) -> LineRows:
        self.skip(StreamStartEvent)
        event = self.next()
        if isinstance(event, StreamEndEvent):
            return []
        event = self.next()
        wrapped = isinstance(event, MappingStartEvent)
        if wrapped:
            event = self.under_hosts()
        if isinstance(event, ScalarEvent) and not event.value:
            return []
        if not isinstance(event, SequenceStartEvent):
            raise _no_list(event)
        found = self.sequence()
        if len(found) <= self.most_rows:
            self.ending(wrapped)
        return found

    def under_hosts(self) -> Event:
        key = self.next()
        if not isinstance(key, ScalarEvent) or key.value != "hosts":
            raise _no_list(key)
        return self.next()

    def sequence(self) -> LineRows:
        found: LineRows = []
        while not isinstance(event := self.next(), SequenceEndEvent):
            if not isinstance(event, MappingStartEvent):
                raise _refused(
                    event, "row", _("This is not a host."), _("Write every host as name: and address: lines.")
                )
            found.append((_line(event), self.mapping()))
            if len(found) > self.most_rows:
                break
        return found

    def mapping(self) -> dict[str, str]:
        cells: dict[str, str] = {}
        while not isinstance(event := self.next(), MappingEndEvent):
            key = self.key(event, cells)
            value = self.next()
            if not isinstance(value, ScalarEvent):
                raise _refused(
                    value, "nested", _("The value is not a single text."), _("Write one value."), key
                )
            cells[key] = (
                "" if value.style is None and value.value in ("null", "~") else str(value.value).strip()
            )
        return cells

    def key(self, event: Event, cells: dict[str, str]) -> str:
        name = str(event.value) if isinstance(event, ScalarEvent) else ""
        if name not in self.columns:
            raise _refused(
                event,
                "column",
                _("There is no field “%(field)s”."),
                _("The fields are: %(known)s."),
                name,
                known=", ".join(self.columns),
            )
        if name in cells:
            raise _refused(event, "twice", _("The field is there twice."), _("Keep one."), name)
        return name

    def ending(self, wrapped: bool) -> None:
        """Nothing may follow the list."""
        for expected in [*([MappingEndEvent] if wrapped else []), DocumentEndEvent, StreamEndEvent]:
            event = self.next()
            if not isinstance(event, expected):
                more = _("There is more after the list.")
                raise _refused(event, "more", more, _("Give one list of hosts and nothing else."))

    def skip(self, kind: type[Event]) -> None:
        event = self.next()
        assert isinstance(event, kind | DocumentStartEvent)


def _line(event: Event) -> int:
    mark = event.start_mark
    return int(mark.line) + 1 if mark else 1


def _refused(event: Event, code: str, text: str, fix: str, field: str = "", **facts: str) -> NotRows:
    return NotRows(
        _line(event), [Problem(shown(field) or "row", code, text, fix, {"field": shown(field), **facts})]
    )


def _no_list(event: Event) -> NotRows:
    return _refused(
        event, "not-a-list", _("This is not a list of hosts."), _("Begin every host with “- name: …”.")
    )


def _not_yaml(line: int) -> NotRows:
    fix = _("Look at the indentation and the quotation marks.")
    return NotRows(line, [Problem("row", "yaml", _("This is not YAML."), fix)])
