"""A configuration revision as a file to take along, and back again. Pure.

`write(form, revision, entries)` answers the text; secrets never go into it: their place holds PLACEHOLDER.
`read(form, text)` answers entries as apps.configuring.entries.parse takes them; a placeholder becomes a secret without
a value, which stays as it is where it is there and is refused where it is not. `merged` puts them on top of what is
there: .env and properties hold variables only, so files stay, and what such a line cannot say (format, schema, that it
is a secret) is taken from what is there. Errors: ConfigurationInvalid.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.representer import SafeRepresenter

from apps.configuring import lines, syntax
from apps.configuring.entries import VARIABLE, Entry
from apps.errors import ConfigurationInvalid
from clusters.problems import Problem
from clusters.problems import gettext_noop as _

ENV, PROPERTIES, JSON, YAML_FORMAT = "env", "properties", "json", "yaml"
FORMATS = (ENV, PROPERTIES, JSON, YAML_FORMAT)
# Names of files end so.
ENDINGS = {ENV: "env", PROPERTIES: "properties", JSON: "json", YAML_FORMAT: "yaml"}
PLACEHOLDER = "<secret: not exported>"
KIND = "kcloud-configuration"
_BREAKS = frozenset("\x85\u2028\u2029\ufeff")
# With what a page adds to it, it has to fit into one request.
MOST_BYTES = 512 * 1024


@dataclass(frozen=True)
class Source:
    """Where a file comes from; for whoever reads it."""

    app: str
    environment: str
    revision: int


def is_whole(form: str) -> bool:
    """Whether the format holds everything, or variables only."""
    return form in (JSON, YAML_FORMAT)


def write(form: str, source: Source, entries: tuple[Entry, ...]) -> str:
    """The text. `form` is one of FORMATS."""
    if is_whole(form):
        return _document(form, source, entries)
    values = {each.name: _told(each) for each in entries if each.kind == VARIABLE}
    remarks = [f"{source.app} in {source.environment}, r{source.revision}"]
    files = [each.name for each in entries if each.kind != VARIABLE]
    if files:
        remarks.append(f"Variables only. Files are in the JSON and YAML exports: {', '.join(files)}")
    return (lines.write_env if form == ENV else lines.write_properties)(values, remarks)


def read(form: str, text: str) -> list[dict[str, Any]]:
    """What the text holds, for `merged`. Raises ConfigurationInvalid."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise _refused(
            _("The text has more than %(most)s bytes."),
            _("Put large files into the editor."),
            most=MOST_BYTES,
        )
    if form not in FORMATS:
        raise _refused(_("This format is not known."), _("Choose env, properties, json or yaml."))
    text = text.removeprefix("\ufeff")
    if is_whole(form):
        return _entries(form, text)
    try:
        values = (lines.read_env if form == ENV else lines.read_properties)(text)
    except lines.LineRefused as refused:
        raise _refused(refused.text, "", line=refused.line) from refused
    return [{"name": name, "value": value} for name, value in values.items()]


def merged(form: str, found: list[dict[str, Any]], there: tuple[Entry, ...]) -> list[dict[str, Any]]:
    """The entries a draft will have: `found` on top of what is `there`. To be parsed, its secrets as kept."""
    if is_whole(form):
        return found
    known = {each.name: each for each in there if each.kind == VARIABLE}
    made = [_with_what_is_known(each, known.get(each["name"])) for each in found]
    return made + [_as_given(each) for each in there if each.kind != VARIABLE]


def _with_what_is_known(each: Mapping[str, Any], before: Entry | None) -> dict[str, Any]:
    made = {"name": each["name"], "kind": VARIABLE, "value": each["value"]}
    if before is not None:
        made |= {"format": before.format, "secret": before.secret}
        if before.schema is not None:
            made["schema"] = before.schema
    if each["value"] == PLACEHOLDER:
        made |= {"secret": True, "value": None}
    return made


def _as_given(entry: Entry) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": entry.name,
        "kind": entry.kind,
        "format": entry.format,
        "secret": entry.secret,
        "value": None if entry.secret else entry.value,
    }
    if entry.schema is not None:
        made["schema"] = entry.schema
    return made


def _told(entry: Entry) -> str:
    return PLACEHOLDER if entry.secret else entry.value or ""


def _document(form: str, source: Source, entries: tuple[Entry, ...]) -> str:
    rows = [{**_as_given(each), "value": _told(each)} for each in entries]
    document = {
        "kind": KIND,
        "app": source.app,
        "environment": source.environment,
        "revision": source.revision,
        "entries": rows,
    }
    if form == JSON:
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False
    writer.allow_unicode = True
    writer.Representer = _Representer
    out = io.StringIO()
    writer.dump(document, out)
    return out.getvalue()


class _Representer(SafeRepresenter):
    """Line breaks of Unicode are folded to spaces outside double quotes."""

    def of_text(self, value: str) -> Any:
        style = '"' if _BREAKS & set(value) else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Representer.add_representer(str, _Representer.of_text)


def _entries(form: str, text: str) -> list[dict[str, Any]]:
    wrong, documents = syntax.check(form, text)
    if wrong is not None:
        # The text may hold secrets, and what a parser says may repeat it.
        shown = "JSON" if form == JSON else "YAML"
        raise _refused(
            _("Line %(line)s: this is not %(format)s."),
            wrong.fix,
            line=wrong.facts.get("line", 1),
            format=shown,
        )
    document = documents[0] if documents and len(documents) == 1 else None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise _refused(
            _("This is not an exported configuration."),
            _("Export one to see what it looks like: it has kind: kcloud-configuration and entries."),
        )
    rows = document.get("entries")
    if not isinstance(rows, list) or not all(isinstance(each, dict) for each in rows):
        raise _refused(_("The entries must be a list."), "")
    return [_without_placeholder(each) for each in rows]


def _without_placeholder(row: dict[str, Any]) -> dict[str, Any]:
    """Fields nobody knows are refused by entries.parse."""
    made = {key: value for key, value in row.items() if key != "schema" or value is not None}
    if made.get("secret") is True and made.get("value") == PLACEHOLDER:
        made["value"] = None
    return made


def _refused(text: str, fix: str, **facts: str | int) -> ConfigurationInvalid:
    return ConfigurationInvalid([Problem("", "import", text, fix, facts)])
