r"""Variables as lines of text, both ways: .env (`NAME="value"`) and Java's properties (`NAME=value`). Pure.

`write_env` and `write_properties` answer text that `read_env` and `read_properties` read to the same values, whatever
they hold. The readers take what other programs write, too: `export NAME=value`, single quotes, comments, lines that go
on after a backslash. They raise LineRefused with the number of the line, counted from 1. Nothing is replaced in
values: `$HOME` stays `$HOME`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from clusters.problems import gettext_noop as _

_NAME = re.compile(r"(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*", re.ASCII)
_OUT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$"}
_IN = {"n": "\n", "r": "\r", "t": "\t"}
_COMMENT = re.compile(r"[ \t]*(#.*)?\Z", re.DOTALL)


class LineRefused(ValueError):
    """Line `line` is not what it should be; `text` says why, as a template without facts but %(line)s."""

    def __init__(self, line: int, text: str) -> None:
        self.line, self.text = line, text
        super().__init__(text % {"line": line})


def write_env(values: Mapping[str, str], remarks: Iterable[str] = ()) -> str:
    """One line for each variable, after the remarks as comments."""
    lines = [f"# {each}" for each in remarks]
    for name, value in values.items():
        lines.append(f'{name}="{"".join(_OUT.get(sign, sign) for sign in value)}"')
    return "".join(f"{line}\n" for line in lines)


def read_env(text: str) -> dict[str, str]:
    """The variables in their order."""
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r").strip(" \t")
        if not line or line.startswith("#"):
            continue
        match = _NAME.match(line)
        if match is None:
            raise LineRefused(number, _("Line %(line)s: write NAME=value."))
        if match[1] in found:
            raise LineRefused(number, _("Line %(line)s: this name is there twice."))
        found[match[1]] = _env_value(line[match.end() :], number)
    return found


def _env_value(text: str, number: int) -> str:
    quote = text[:1]
    if quote not in ("'", '"'):
        return re.split(r"[ \t]#", text, maxsplit=1)[0].rstrip(" \t")
    made, place = [], 1
    while place < len(text) and text[place] != quote:
        if text[place] == "\\" and quote == '"' and place + 1 < len(text):
            place += 1
            made.append(_IN.get(text[place], text[place]))
        else:
            made.append(text[place])
        place += 1
    if place >= len(text):
        raise LineRefused(number, _("Line %(line)s: the quotation mark is not closed."))
    if not _COMMENT.match(text, place + 1):
        raise LineRefused(number, _("Line %(line)s: there is more after the closing quotation mark."))
    return "".join(made)


def write_properties(values: Mapping[str, str], remarks: Iterable[str] = ()) -> str:
    """As Java reads it in any encoding: what is not ASCII is written as \\uXXXX."""
    lines = [f"# {_java(each, name=False)}" for each in remarks]
    lines += [f"{_java(name, name=True)}={_java(value, name=False)}" for name, value in values.items()]
    return "".join(f"{line}\n" for line in lines)


def _java(text: str, *, name: bool) -> str:
    made = []
    for place, sign in enumerate(text):
        if sign == "\\" or (name and sign in ":=#! ") or (sign == " " and not place):
            made.append(f"\\{sign}")
        elif sign in "\n\r\t":
            made.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[sign])
        elif " " <= sign <= "~":
            made.append(sign)
        else:
            units = sign.encode("utf-16-be")
            made += [f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2)]
    return "".join(made)


def read_properties(text: str) -> dict[str, str]:
    """The properties in their order."""
    found: dict[str, str] = {}
    for number, line in _logical(text):
        key, value = _halves(line)
        name = _unescaped(key, number)
        if not name:
            raise LineRefused(number, _("Line %(line)s: the key is missing."))
        if name in found:
            raise LineRefused(number, _("Line %(line)s: this name is there twice."))
        found[name] = _unescaped(value, number)
    return found


def _logical(text: str) -> Iterable[tuple[int, str]]:
    """Lines without comments, put together where a backslash ends one; with the number of the first."""
    begun, kept = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.removesuffix("\r").lstrip(" \t\f")
        if not begun and (not stripped or stripped[0] in "#!"):
            continue
        begun = begun or number
        if (len(stripped) - len(stripped.rstrip("\\"))) % 2:
            kept += stripped[:-1]
            continue
        yield begun, kept + stripped
        begun, kept = 0, ""
    if begun:
        yield begun, kept


def _halves(line: str) -> tuple[str, str]:
    place = 0
    while place < len(line) and line[place] not in "=: \t\f":
        place += 2 if line[place] == "\\" else 1
    key, rest = line[:place], line[place:].lstrip(" \t\f")
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(" \t\f")
    return key, rest


def _unescaped(text: str, number: int) -> str:
    made: list[str] = []
    place = 0
    while place < len(text):
        sign = text[place]
        place += 1
        if sign != "\\" or place == len(text):
            made.append(sign)
            continue
        sign = text[place]
        place += 1
        if sign != "u":
            made.append({**_IN, "f": "\f"}.get(sign, sign))
            continue
        digits = text[place : place + 4]
        if not re.fullmatch(r"[0-9A-Fa-f]{4}", digits):
            raise LineRefused(number, _("Line %(line)s: \\u needs four hexadecimal digits."))
        made.append(chr(int(digits, 16)))
        place += 4
    # Two halves of a character outside the first plane come as two escapes.
    return "".join(made).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
