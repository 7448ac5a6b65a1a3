"""Whether a text is well-formed JSON, YAML or properties. Pure.

`check(format, text)` answers what is wrong (None: nothing) and the documents in the text as plain data (None when they
were not built: YAML with anchors or tags is only read, for a few lines of aliases could unfold into gigabytes).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingStartToken,
    FlowSequenceStartToken,
    TagToken,
)

from clusters.problems import gettext_noop as _

TEXT, JSON, YAML_FORMAT, PROPERTIES = "text", "json", "yaml", "properties"
FORMATS = (TEXT, JSON, YAML_FORMAT, PROPERTIES)
# The parser is slow and recursive; larger files are kept as text.
MOST_YAML = 256 * 1024
DEEPEST = 100
_OPENING = (BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken)
_ESCAPE = re.compile(r"\\u(?![0-9A-Fa-f]{4})")


@dataclass(frozen=True)
class Wrong:
    """What is wrong, as a template with its facts."""

    text: str
    fix: str = ""
    facts: dict[str, str | int] = field(default_factory=dict)


Checked = tuple[Wrong | None, list[Any] | None]


def check(form: str, text: str) -> Checked:
    """What is wrong with the text, and its documents."""
    if form == JSON:
        return _json(text)
    if form == YAML_FORMAT:
        return _yaml(text)
    if form == PROPERTIES:
        return _properties(text)
    return None, [text]


def _json(text: str) -> Checked:
    try:
        return None, [json.loads(text, parse_constant=_no_constant)]
    except json.JSONDecodeError as error:
        return _at(_("Line %(line)s: this is not JSON (%(why)s)."), error.lineno, error.msg), None
    except (ValueError, RecursionError) as error:
        return _at(_("Line %(line)s: this is not JSON (%(why)s)."), 1, str(error)), None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _yaml(text: str) -> Checked:
    if len(text) > MOST_YAML:
        fix = _("Choose the format text for it.")
        return Wrong(
            _("YAML of more than %(most)s characters is not checked."), fix, {"most": MOST_YAML}
        ), None
    try:
        plain = True
        depth = 0
        for token in _Reader(typ="safe", pure=True).scan(text):
            plain = plain and not isinstance(token, AliasToken | AnchorToken | TagToken)
            # Each block closes with a token of its own; counting openings alone would refuse long flat files.
            depth += _step(token)
            if depth > DEEPEST:
                return Wrong(
                    _("Line %(line)s: this is nested too deep."), "", {"line": token.start_mark.line + 1}
                ), None
        if not plain:
            for _event in _Reader(typ="safe", pure=True).parse(text):
                pass
            return None, None
        return None, list(_Reader(typ="safe", pure=True).load_all(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        why = getattr(error, "problem", None) or str(error)
        return _at(_("Line %(line)s: this is not YAML (%(why)s)."), mark.line + 1 if mark else 1, why), None
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
        OverflowError,
        AssertionError,
    ):
        # The parser's own stumbles over malformed text.
        return _at(_("Line %(line)s: this is not YAML (%(why)s)."), 1, "malformed"), None


def _step(token: Any) -> int:
    if isinstance(token, _OPENING):
        return 1
    return (
        -1 if type(token).__name__ in ("BlockEndToken", "FlowMappingEndToken", "FlowSequenceEndToken") else 0
    )


class _Reader(YAML):
    """The library's parser without its plug-ins: looking for them reads a directory at every call."""

    def official_plug_ins(self) -> list[str]:
        return []


def _properties(text: str) -> Checked:
    """Java's format knows hardly an error; what is caught is what surely was not meant."""
    found: dict[str, str] = {}
    going_on = False
    for number, line in enumerate(text.splitlines(), 1):
        if _ESCAPE.search(line):
            return Wrong(_("Line %(line)s: \\u needs four hexadecimal digits."), "", {"line": number}), None
        continued, going_on = going_on, _goes_on(line)
        stripped = line.strip()
        if continued or not stripped or stripped[0] in "#!":
            continue
        parts = re.split(r"(?<!\\)[=:]|(?<!\\)\s", stripped, maxsplit=1)
        if not parts[0]:
            return Wrong(
                _("Line %(line)s: the key is missing."), _("Write key=value."), {"line": number}
            ), None
        if len(parts) == 1 and not going_on:
            return Wrong(
                _("Line %(line)s: the value is missing."), _("Write key=value."), {"line": number}
            ), None
        if parts[0] in found:
            return Wrong(
                _("Line %(line)s: this key is there twice."), _("Remove one."), {"line": number}
            ), None
        found[parts[0]] = parts[-1].strip()
    return None, [found]


def _goes_on(line: str) -> bool:
    """Whether the next line belongs to this one: an odd number of backslashes ends it."""
    if line.strip()[:1] in ("#", "!"):
        return False
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _at(text: str, line: int, why: str) -> Wrong:
    return Wrong(text, "", {"line": line, "why": " ".join(str(why).split())[:160]})
