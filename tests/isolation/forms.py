"""The forms of a page, read from its HTML the way a browser would send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

TEXT = {"text", "search", "email", "url", "tel", "number", "password", "date", "datetime-local", ""}


@dataclass
class Form:
    """`action` is where it goes, `values` what it would send untouched, `texts` the fields a person types into."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def filled(self, text: str) -> dict[str, str]:
        """What is sent when every field a person types into holds `text`."""
        return {**self.values, **dict.fromkeys(self.texts, text)}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open: Form | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._open)
        elif self._open is not None and given.get("name"):
            self._take(tag, given)
        elif self._open is not None and tag == "option":
            self._choose(given)

    def _take(self, tag: str, given: dict[str, str]) -> None:
        assert self._open is not None
        name, kind = given["name"], given.get("type", "")
        if tag == "textarea" or (tag == "input" and kind in TEXT):
            self._open.texts.append(name)
        elif tag == "select":
            self._select = name
        elif tag == "input" and (kind not in ("checkbox", "radio") or name not in self._open.values):
            self._open.values[name] = given.get("value", "on")

    def _choose(self, given: dict[str, str]) -> None:
        assert self._open is not None
        if self._select and (given.get("value") or self._select not in self._open.values):
            self._open.values.setdefault(self._select, given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""


def forms_of(html: str) -> list[Form]:
    """Every form of the page in its order."""
    reader = _Reader()
    reader.feed(html)
    return reader.forms
