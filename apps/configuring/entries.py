"""One configuration revision as it is written: variables and files, plain or secret. Pure.

`parse(value, kept)` reads what a form or program sent and raises ConfigurationInvalid with everything found. A secret
without a value stays as it is: `kept` names those that are there. `stored` is what a row keeps of an entry: never a
secret's value. No message repeats a secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from apps.configuring import schemas, syntax
from apps.errors import ConfigurationInvalid
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

VARIABLE, FILE = "variable", "file"
KINDS = (VARIABLE, FILE)
# Kubernetes: a key has at most 253 characters, the content of one object at most 1 MiB.
LONGEST_NAME = 253
MOST_BYTES = 1024 * 1024
# Each is some fields of the editor's form, of which there may be a thousand.
MOST_ENTRIES = 150
_VARIABLE_NAME = re.compile(r"[A-Za-z_][-._A-Za-z0-9]*\Z")
_FILE_NAME = re.compile(r"(?!\.\.)[-._A-Za-z0-9]+\Z")
_FIELDS = frozenset({"name", "kind", "format", "secret", "value", "schema"})
# Characters that no environment variable and no text file carries.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


@dataclass(frozen=True)
class Entry:
    """One key or file. `value` None: a secret whose value is not told here. `since`: the revision in which a secret
    got its present value, so that two revisions can be compared without opening it."""

    name: str
    kind: str = VARIABLE
    format: str = syntax.TEXT
    value: str | None = ""
    secret: bool = False
    schema: Mapping[str, Any] | bool | None = None
    since: int = 0


def parse(value: object, kept: Collection[str] = ()) -> tuple[Entry, ...]:
    """The entries, by kind and name. Raises ConfigurationInvalid."""
    if not isinstance(value, list):
        raise ConfigurationInvalid([Problem("", "type", _("The entries must be a list."))])
    if len(value) > MOST_ENTRIES:
        facts = {"most": MOST_ENTRIES}
        raise ConfigurationInvalid(
            [Problem("", "many", _("There are more than %(most)s entries."), "", facts)]
        )
    problems: list[Problem] = []
    found: list[Entry] = []
    for index, each in enumerate(value):
        entry = _entry(each, f"entries.{index}", problems)
        if entry is not None:
            problems += _problems_of(entry, f"entries.{index}", kept)
            found.append(entry)
    problems += _twice(found)
    problems += _too_large(found)
    if problems:
        raise ConfigurationInvalid(problems)
    return tuple(sorted(found, key=lambda each: (each.kind != VARIABLE, each.name)))


def stored(entry: Entry) -> dict[str, Any]:
    """What a row keeps: everything but a secret's value."""
    kept: dict[str, Any] = {"name": entry.name, "kind": entry.kind, "format": entry.format}
    if entry.secret:
        kept |= {"secret": True, "since": entry.since}
    else:
        kept["value"] = entry.value
    if entry.schema is not None:
        kept["schema"] = entry.schema
    return kept


def read(rows: list[dict[str, Any]]) -> tuple[Entry, ...]:
    """The entries of a row that `stored` made."""
    return tuple(
        Entry(
            each["name"],
            each["kind"],
            each["format"],
            each.get("value"),
            bool(each.get("secret")),
            each.get("schema"),
            int(each.get("since", 0)),
        )
        for each in rows
    )


def without_secrets(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Only what is plain."""
    return tuple(each for each in entries if not each.secret)


def variables_of(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """What processes get at their start, to be compared: schema and format are of no account to them."""
    return tuple(replace(each, schema=None, format="") for each in entries if each.kind == VARIABLE)


def _entry(value: object, path: str, problems: list[Problem]) -> Entry | None:
    if not isinstance(value, Mapping):
        problems.append(Problem(path, "type", _("An entry has a name, a kind and a value.")))
        return None
    before = len(problems)
    for key in value:
        if key not in _FIELDS:
            problems.append(
                Problem(
                    path, "unknown", _("%(field)s is not a field of an entry."), "", {"field": str(key)[:60]}
                )
            )
    name, content = value.get("name", ""), value.get("value")
    kind, form = value.get("kind", VARIABLE), value.get("format", syntax.TEXT)
    secret, schema = value.get("secret", False), value.get("schema")
    for field, wrong in (
        ("name", not isinstance(name, str)),
        ("kind", kind not in KINDS),
        ("format", form not in syntax.FORMATS),
        ("secret", not isinstance(secret, bool)),
        ("value", content is not None and not isinstance(content, str)),
        ("schema", schema is not None and not isinstance(schema, dict | bool)),
    ):
        if wrong:
            problems.append(
                Problem(
                    f"{path}.{field}",
                    "type",
                    _("This value is not one of those that can stand here."),
                    _("See the description of the API."),
                )
            )
    if len(problems) > before:
        return None
    return Entry(name, kind, form, content, secret, schema)


def _problems_of(entry: Entry, path: str, kept: Collection[str]) -> Iterator[Problem]:
    yield from _name_problems(entry, f"{path}.name")
    if entry.value is None:
        if not entry.secret or entry.name not in kept:
            yield Problem(
                f"{path}.value",
                "missing",
                _("The value is missing."),
                _("Only a secret that is there already can stay as it is."),
            )
        return
    if _CONTROL.search(entry.value):
        yield Problem(
            f"{path}.value",
            "characters",
            _("The value holds characters that no text has."),
            _("Binary files belong into the image."),
        )
        return
    if entry.kind == VARIABLE and len(entry.value) > 128 * 1024:
        yield Problem(
            f"{path}.value", "size", _("An environment variable holds at most 128 KiB."), _("Make it a file.")
        )
        return
    yield from _content_problems(entry, path)


def _content_problems(entry: Entry, path: str) -> Iterator[Problem]:
    wrong, documents = syntax.check(entry.format, entry.value or "")
    if wrong is not None:
        # What a parser says may repeat the text.
        yield Problem(
            f"{path}.value",
            "syntax",
            wrong.text if not entry.secret else _("Line %(line)s: this is not %(format)s."),
            wrong.fix,
            {**wrong.facts, "format": _SHOWN[entry.format]},
        )
        return
    if entry.schema is None:
        return
    if entry.format not in (syntax.JSON, syntax.YAML_FORMAT):
        yield Problem(
            f"{path}.schema",
            "format",
            _("Only JSON and YAML can be checked by a schema."),
            _("Choose that format, or leave the schema out."),
        )
        return
    if documents is None:
        yield Problem(
            f"{path}.value",
            "schema",
            _("With a schema, YAML cannot have anchors, aliases or tags."),
            _("Write them out."),
        )
        return
    for where, text, facts in schemas.problems(entry.schema, documents, secret=entry.secret):
        yield Problem(f"{path}.{where}", "schema", text, "", facts)


_SHOWN = {
    syntax.TEXT: "text",
    syntax.JSON: "JSON",
    syntax.YAML_FORMAT: "YAML",
    syntax.PROPERTIES: "properties",
}


def _name_problems(entry: Entry, path: str) -> Iterator[Problem]:
    if len(entry.name) > LONGEST_NAME:
        yield Problem(path, "long", _("A name has at most 253 characters."))
    elif entry.kind == VARIABLE and not _VARIABLE_NAME.match(entry.name):
        yield Problem(
            path,
            "name",
            _("This is no name of a variable."),
            _("Use letters, digits, underscores, dots and hyphens; begin with a letter or underscore."),
        )
    elif entry.kind == FILE and (not _FILE_NAME.match(entry.name) or entry.name == "."):
        yield Problem(
            path,
            "name",
            _("This is no name of a file."),
            _("Use letters, digits, dots, hyphens and underscores; no folders."),
        )


def _twice(entries: list[Entry]) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, each in enumerate(entries):
        if each.name in seen:
            yield Problem(
                f"entries.{index}.name",
                "twice",
                _("%(name)s is there twice."),
                _("Remove one of them."),
                {"name": each.name[:60]},
            )
        seen.add(each.name)


def _too_large(entries: list[Entry]) -> Iterator[Problem]:
    """Each kind, plain and secret, is one object on the cluster."""
    for kind in KINDS:
        for secret in (False, True):
            of_one = [each for each in entries if (each.kind, each.secret) == (kind, secret)]
            size = sum(size_of(each.name, each.value or "") for each in of_one)
            if size > MOST_BYTES:
                yield Problem(
                    "entries",
                    "size",
                    _("Together these are %(size)s bytes; a cluster keeps at most %(most)s."),
                    _("Put large files into the image or a volume."),
                    {"size": size, "most": MOST_BYTES},
                )


def size_of(name: str, value: str) -> int:
    """What an entry takes up in its object, in bytes."""
    return len(name.encode()) + len(value.encode("utf-8", "replace"))
