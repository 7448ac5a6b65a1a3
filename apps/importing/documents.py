"""YAML and JSON of strangers into plain data, within bounds. Pure.

Aliases are common in Compose files and are followed; what they unfold to is counted, so that a few lines cannot become
gigabytes. Tags are refused. Raises SpecInvalid with one problem that names the line.
"""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import AliasToken, TagToken

from apps.errors import SpecInvalid
from clusters.planning.names import shown
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

SIZE_LIMIT, MOST_ALIASES, MOST_NODES, MOST_DOCUMENTS, DEEPEST = 500_000, 200, 50_000, 200, 40


def load_all(text: str) -> list[Any]:
    """Every document of the text, empty ones left out."""
    if len(text) > SIZE_LIMIT:
        raise _refused(_("The text has more than %(limit)s characters."), limit=SIZE_LIMIT)
    try:
        _check_tokens(text)
        found = [each for each in YAML(typ="safe", pure=True).load_all(text) if each is not None]
    except (YAMLError, ValueError, RecursionError, OverflowError) as error:
        why = shown(" ".join(str(error).split()), 160)
        raise _refused(_("This is not YAML: %(why)s."), why=why) from error
    if len(found) > MOST_DOCUMENTS:
        raise _refused(_("At most %(limit)s documents are possible."), limit=MOST_DOCUMENTS)
    _check_size(found)
    return found


def _check_tokens(text: str) -> None:
    aliases = 0
    for token in YAML(typ="safe", pure=True).scan(text):
        aliases += isinstance(token, AliasToken)
        if isinstance(token, TagToken):
            raise _refused(_("Line %(line)s uses a tag."), line=token.start_mark.line + 1)
        if aliases > MOST_ALIASES:
            raise _refused(_("At most %(limit)s aliases are possible."), limit=MOST_ALIASES)


def _check_size(found: Any) -> None:
    """Walk it as it unfolds, not as it is kept: an alias counts each time it is used."""
    left, waiting = MOST_NODES, [(found, 0)]
    while waiting:
        node, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > DEEPEST:
            raise _refused(_("The text unfolds to more than can be read."))
        if isinstance(node, dict):
            waiting.extend((each, depth + 1) for each in node.values())
        elif isinstance(node, list):
            waiting.extend((each, depth + 1) for each in node)


def _refused(text: str, **facts: str | int) -> SpecInvalid:
    return SpecInvalid([Problem("", "unreadable", text, "", facts)])
