"""What differs between two revisions of a configuration. Pure.

Secrets are compared by when they changed, never opened.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from apps.configuring.entries import Entry

ADDED, REMOVED, CHANGED, UNKNOWN = "added", "removed", "changed", "unknown"
# Comparing line by line is quadratic; larger files are shown as changed only.
MOST_LINES = 2_000
CONTEXT = 3


@dataclass(frozen=True)
class Line:
    """One line of a comparison: numbers on both sides (0: not there), sign "add", "del", "gap" or ""."""

    old: int
    new: int
    sign: str
    text: str


@dataclass(frozen=True)
class Change:
    """One entry that differs. `lines` is empty for secrets and for files too long to compare."""

    name: str
    kind: str
    what: str
    secret: bool
    lines: tuple[Line, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def difference(
    before: tuple[Entry, ...], after: tuple[Entry, ...], *, same_place: bool = True
) -> tuple[Change, ...]:
    """By name. `same_place` False: of two environments, whose secrets cannot be compared."""
    old, new = {each.name: each for each in before}, {each.name: each for each in after}
    return tuple(_changes(old, new, same_place))


def _changes(old: dict[str, Entry], new: dict[str, Entry], same_place: bool) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        shown = now or was
        assert shown is not None  # one side has it
        secret = bool((was and was.secret) or (now and now.secret))
        if was is None or now is None:
            what = ADDED if was is None else REMOVED
        else:
            what = _what(was, now, same_place)
            if not what:
                continue
        yield Change(name, shown.kind, what, secret, () if secret else _lines(was, now))


def _what(was: Entry, now: Entry, same_place: bool) -> str:
    if (
        was.secret
        and now.secret
        and was.kind == now.kind
        and was.format == now.format
        and was.schema == now.schema
    ):
        if not same_place:
            return UNKNOWN
        return CHANGED if was.since != now.since else ""
    same = (was.value, was.kind, was.secret, was.format, was.schema) == (
        now.value,
        now.kind,
        now.secret,
        now.format,
        now.schema,
    )
    return "" if same else CHANGED


def _lines(was: Entry | None, now: Entry | None) -> tuple[Line, ...]:
    old = ((was.value or "") if was else "").splitlines()
    new = ((now.value or "") if now else "").splitlines()
    if len(old) > MOST_LINES or len(new) > MOST_LINES:
        return ()
    found: list[Line] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=True).get_grouped_opcodes(CONTEXT):
        if found:
            found.append(Line(0, 0, "gap", ""))
        for tag, a1, a2, b1, b2 in group:
            if tag == "equal":
                found += [Line(a1 + n + 1, b1 + n + 1, "", text) for n, text in enumerate(old[a1:a2])]
                continue
            found += [Line(n + 1, 0, "del", old[n]) for n in range(a1, a2)]
            found += [Line(0, n + 1, "add", new[n]) for n in range(b1, b2)]
    return tuple(found)
