"""Regular expressions of people, kept from taking a process hostage. Pure.

Python's engine backs up: some short patterns take longer than the universe on a short text. So nothing that repeats
may repeat or choose inside, there are few repeats and choices in all, only the start of a line is searched, and the
whole search has a time. Raises PatternRefused; searching raises PatternTooSlow.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

LONGEST_PATTERN = 100
SEARCHED = 1000
MOST_REPEATS, MOST_CHOICES = 2, 6
SECONDS = 2.0
_REPEATS = frozenset({_constants.MAX_REPEAT, _constants.MIN_REPEAT})
_FORBIDDEN = frozenset(
    {
        _constants.GROUPREF,
        _constants.GROUPREF_EXISTS,
        _constants.ASSERT,
        _constants.ASSERT_NOT,
        _constants.POSSESSIVE_REPEAT,
        _constants.ATOMIC_GROUP,
    }
    if hasattr(_constants, "POSSESSIVE_REPEAT")
    else {_constants.GROUPREF, _constants.GROUPREF_EXISTS, _constants.ASSERT, _constants.ASSERT_NOT}
)


class PatternRefused(ValueError):
    """`code` says why: "long", "syntax", "construct", "nested", "many"."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code, self.detail = code, detail
        super().__init__(f"{code} {detail}".strip())


class PatternTooSlow(Exception):
    """The search took longer than its time."""


@dataclass(frozen=True)
class Pattern:
    """A regular expression that was let through."""

    text: str

    def searcher(self, seconds: float = SECONDS) -> Callable[[str], bool]:
        """Whether a text matches; all searches together have `seconds`."""
        compiled = re.compile(self.text, re.IGNORECASE)
        spent = 0.0

        def search(text: str) -> bool:
            nonlocal spent
            began = time.perf_counter()
            found = compiled.search(text[:SEARCHED]) is not None
            spent += time.perf_counter() - began
            if spent > seconds:
                raise PatternTooSlow(self.text)
            return found

        return search


def read_pattern(text: str) -> Pattern:
    """A pattern as a person wrote it. Raises PatternRefused."""
    if len(text) > LONGEST_PATTERN:
        raise PatternRefused("long")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = _parser.parse(text)
            re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternRefused("syntax", str(error)[:200]) from error
    repeats = choices = 0
    for kind, inside in _walk(parsed, False):
        if kind in _FORBIDDEN:
            raise PatternRefused("construct")
        if inside and (kind in _REPEATS or kind is _constants.BRANCH or kind == "choice"):
            raise PatternRefused("nested")
        repeats += kind in _REPEATS
        choices += kind is _constants.BRANCH or kind == "choice"
    if repeats > MOST_REPEATS or choices > MOST_CHOICES:
        raise PatternRefused("many")
    return Pattern(text)


def _walk(parsed: Any, inside: bool) -> Iterator[tuple[Any, bool]]:
    """Each element, and whether it stands inside something that repeats. One that may be absent is a choice."""
    for kind, argument in parsed:
        repeats = False
        if kind in _REPEATS:
            least, most, _body = argument
            repeats = most > 1
            if least != most or repeats:
                yield (kind if repeats else "choice"), inside
        else:
            yield kind, inside
        for part in _parts(argument):
            yield from _walk(part, inside or repeats)


def _parts(argument: Any) -> Iterator[Any]:
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for each in argument:
            yield from _parts(each)
