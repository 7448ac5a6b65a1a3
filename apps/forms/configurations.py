"""The editor of a configuration: rows of a posted form to entries and back. Reads only; the service decides.

A secret's value is never put into a row that is shown: what was typed is typed again after a refusal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.configuring import syntax
from apps.configuring.entries import FILE, MOST_ENTRIES, VARIABLE, Entry
from clusters.problems import Problem

FORMATS = syntax.FORMATS
BLANK_ROWS = 1


@dataclass
class Row:
    """One row of the editor. `known`: it was there before, so its name stays; `kept`: a secret that has a value."""

    index: int
    name: str = ""
    kind: str = VARIABLE
    format: str = syntax.TEXT
    value: str = ""
    secret: bool = False
    kept: bool = False
    schema: str = ""
    known: bool = False
    remove: bool = False
    errors: list[tuple[str, str]] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)

    @property
    def is_file(self) -> bool:
        return self.kind == FILE

    @property
    def is_blank(self) -> bool:
        return not (self.known or self.name or self.value)

    def entry(self) -> dict[str, Any]:
        """As the service takes it. A schema that is no JSON goes as it is, to be refused there."""
        made: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "format": self.format,
            "secret": self.secret,
            "value": None if self.secret and self.kept and not self.value else self.value,
        }
        if self.schema.strip():
            try:
                made["schema"] = json.loads(self.schema)
            except (ValueError, RecursionError):
                made["schema"] = self.schema
        return made


def rows_of(entries: Iterable[Entry]) -> list[Row]:
    """The rows of what is there, and blank ones to add to it."""
    rows = [
        Row(
            index,
            each.name,
            each.kind,
            each.format,
            "" if each.secret else each.value or "",
            each.secret,
            each.secret,
            json.dumps(each.schema, indent=2, ensure_ascii=False) if each.schema is not None else "",
            True,
        )
        for index, each in enumerate(entries)
    ]
    return with_blank(rows)


def posted_rows(data: Mapping[str, Any], secrets: Iterable[str]) -> list[Row]:
    """The rows of a posted form. `secrets`: names of those that have a value."""
    count = data.get("rows", "")
    number = int(count) if count.isascii() and count.isdigit() and len(count) < 5 else 0
    kept = set(secrets)
    return [_posted(data, index, kept) for index in range(min(number, MOST_ENTRIES + 10))]


def with_blank(rows: list[Row], more: int = BLANK_ROWS) -> list[Row]:
    """At least so many blank rows at the end."""
    blank = sum(row.is_blank for row in rows)
    return rows + [Row(len(rows) + number) for number in range(max(0, more - blank))]


def sent(rows: Iterable[Row]) -> list[Row]:
    """What is to be saved."""
    return [row for row in rows if not row.remove and not row.is_blank]


def mark(rows: list[Row], problems: Iterable[Problem], translate: Any) -> list[str]:
    """Put each problem at its row; `rows` as they were sent. Answers what belongs to none."""
    general = []
    for each in problems:
        parts = each.path.split(".")
        text = f"{each.message_in(translate)} {each.remedy_in(translate)}".strip()
        if len(parts) >= 2 and parts[0] == "entries" and parts[1].isdigit() and int(parts[1]) < len(rows):
            rows[int(parts[1])].errors.append((parts[2] if len(parts) > 2 else "value", text))
        else:
            general.append(text)
    return general


def _posted(data: Mapping[str, Any], index: int, kept: set[str]) -> Row:
    def text(name: str) -> str:
        # Browsers send text areas with CR LF.
        return str(data.get(f"{name}-{index}", "")).replace("\r\n", "\n")

    name, secret = text("name").strip(), bool(data.get(f"secret-{index}"))
    return Row(
        index,
        name,
        text("kind") or VARIABLE,
        text("format") or syntax.TEXT,
        text("value"),
        secret,
        secret and name in kept,
        text("schema"),
        bool(data.get(f"known-{index}")),
        bool(data.get(f"remove-{index}")),
    )
