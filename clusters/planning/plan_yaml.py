"""A plan as YAML and back. Pure.

`load` is for files of strangers: size and nesting are bounded, anchors, aliases and tags are refused (a
few lines of aliases could unfold into gigabytes), and what it gives is plain data for clusters.planning.plan.parse
to judge.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.tokens import AliasToken, AnchorToken, TagToken

from clusters.planning.names import shown
from clusters.problems import PlanInvalid, Problem
from clusters.problems import gettext_noop as _

SIZE_LIMIT = 200_000


def dump(data: Mapping[str, Any]) -> str:
    """The plan as YAML in its own order of fields, without what is empty."""
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    writer.allow_unicode = True
    stream = io.StringIO()
    writer.dump(_plain(data), stream)
    return stream.getvalue()


def load(text: str) -> dict[str, Any]:
    """The data in `text`; PlanInvalid with one problem when it is no plan at all."""
    if len(text) > SIZE_LIMIT:
        raise _refused(_("The text has more than %(limit)s characters."), {"limit": SIZE_LIMIT})
    try:
        for token in YAML(typ="safe", pure=True).scan(text):
            if isinstance(token, AliasToken | AnchorToken | TagToken):
                raise _refused(
                    _("Line %(line)s uses an anchor, an alias or a tag."), {"line": token.start_mark.line + 1}
                )
        data = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError, OverflowError) as error:
        raise _refused(
            _("This is not YAML: %(why)s."), {"why": shown(" ".join(str(error).split()), 160)}
        ) from error
    if not isinstance(data, dict):
        raise _refused(_("The text holds no plan: there are no named fields."), {})
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items() if each not in (None, {}, [], ())}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _refused(text: str, facts: dict[str, str | int]) -> PlanInvalid:
    fix = _("Write plain YAML as the plan page's export gives it.")
    return PlanInvalid([Problem("", "yaml", text, fix, facts)])
