"""Reads untrusted YAML into plain mappings, lists and strings. Pure.

Built from the parser's events, so nothing is constructed: a tag, anchor, alias, directive, second
document, duplicate key or too deep or too wide a tree is refused by the caller's `refuse(code, place,
**facts)`. Every scalar stays the text it is: no dates, numbers or booleans appear. `null` (plain, empty
or ~) becomes an empty string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from clusters.errors import KubeconfigRefused

MAX_DEPTH = 12
MAX_NODES = 2000
Refuse = Callable[..., KubeconfigRefused]
_STUMBLES = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RecursionError,
    AssertionError,
    StopIteration,
)


def read(text: str, refuse: Refuse) -> dict[str, Any]:
    """The one document in the text, a mapping. Raises what `refuse` makes, and nothing else."""
    try:
        tree = _Reader(_Parser(typ="rt", pure=True).parse(text), refuse).document()
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        raise refuse("bad-yaml", "", line=(mark.line + 1) if mark else 1) from error
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        RecursionError,
        AssertionError,
    ) as error:
        # The parser's own stumbles over malformed text: for the reader of the message the same thing.
        raise refuse("bad-yaml", "", line=1) from error
    if not isinstance(tree, dict):
        raise refuse("not-a-mapping", "")
    return tree


def quoted(text: str) -> str:
    """A YAML scalar for any text: JSON's string form is one."""
    return json.dumps(text, ensure_ascii=True)


class _Parser(YAML):
    """The library's parser without its plug-ins: looking for them reads a directory at every call."""

    def official_plug_ins(self) -> list[str]:
        return []


class _Reader:
    def __init__(self, events: Iterator[Event], refuse: Refuse) -> None:
        self.events = events
        self.refuse = refuse
        self.nodes = 0

    def document(self) -> Any:
        tree: Any = None
        documents = 0
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.refuse("many-documents", "")
                if event.tags or event.version:
                    raise self.refuse("directive", "")
                tree = self.node(next(self.events), 0)
            elif isinstance(event, StreamEndEvent):
                break
        return tree

    def node(self, event: Event, depth: int) -> Any:
        self.judge(event, depth)
        if isinstance(event, MappingStartEvent):
            return self.mapping(depth)
        if isinstance(event, SequenceStartEvent):
            return self.sequence(depth)
        if isinstance(event, ScalarEvent):
            plain = event.style is None or event.style == ""
            return "" if plain and event.value in ("null", "~", "Null", "NULL") else str(event.value)
        raise self.refuse("bad-yaml", "", line=_line(event))

    def judge(self, event: Event, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refuse("too-many", "")
        if depth > MAX_DEPTH:
            raise self.refuse("too-deep", "", line=_line(event))
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            raise self.refuse("alias", "", line=_line(event))
        if getattr(event, "tag", None) not in (None, ""):
            raise self.refuse("tag", "", line=_line(event))

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self.node(event, depth + 1)
            if not isinstance(event, ScalarEvent) or key == "<<":
                raise self.refuse("bad-key", "", line=_line(event))
            if key in found:
                raise self.refuse("duplicate-key", key[:60], key=key[:60], line=_line(event))
            found[key] = self.node(next(self.events), depth + 1)
        return found

    def sequence(self, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            found.append(self.node(event, depth + 1))
        return found


def _line(event: Event) -> int:
    mark = event.start_mark
    return int(mark.line) + 1 if mark else 1
