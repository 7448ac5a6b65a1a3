"""What the frame of every console page shows. Nothing is queried until a template asks (partials do not)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from kcloud_site import attention

_LANGUAGES = {
    "en": {"code": "en", "html": "en", "name": "English"},
    "zh-hans": {"code": "zh-hans", "html": "zh-CN", "name": "中文"},
}


@dataclass(frozen=True)
class Entry:
    """One entry of the side bar; `count` is what is wrong or running there, `meaning` says which."""

    title: Any
    icon: str
    url: str
    is_current: bool
    count: int = 0
    css: str = "is-off"
    meaning: Any = ""


def console(request: HttpRequest) -> dict[str, Any]:
    """Navigation with counts, running operations, language and appearance."""
    user = getattr(request, "user", None)
    language = "zh-hans" if (get_language() or "en").startswith("zh") else "en"
    counts = functools.cache(attention.counts)
    is_operator = bool(getattr(user, "is_operator", False))
    return {
        "html_language": _LANGUAGES[language]["html"],
        "other_language": _LANGUAGES["en" if language == "zh-hans" else "zh-hans"],
        "appearance": getattr(user, "appearance", ""),
        "density": getattr(user, "density", ""),
        "running_operations": lambda: counts().running if is_operator else 0,
        "navigation": lambda: _navigation(request.path, counts() if is_operator else None),
    }


def _navigation(path: str, counts: attention.Counts | None) -> list[Entry]:
    """The entries in their order; without counts (not an operator) the overview alone."""
    overview = Entry(_("Overview"), icon="layout-dashboard", url=reverse("overview"), is_current=path == "/")
    if counts is None:
        return [overview]
    area = ("/clusters/", "/hosts/", "/regions/", "/credentials/", "/bundles/")
    entries = [
        overview,
        Entry(
            _("Clusters"),
            icon="server",
            url=_address("clusters:list"),
            is_current=path.startswith(area),
            count=counts.unwell,
            css=counts.unwell_css,
            meaning=_("not healthy"),
        ),
        Entry(
            _("Operations"),
            icon="list-checks",
            url=_address("operations:list"),
            is_current=path.startswith("/operations/"),
            count=counts.running,
            css="is-run",
            meaning=_("running"),
        ),
        Entry(
            _("Audit"),
            icon="scroll-text",
            url=_address("operations:audit"),
            is_current=path.startswith("/audit/"),
        ),
    ]
    return [entry for entry in entries if entry.url]


def _address(name: str) -> str:
    """Empty for an area this portal is built without: its entry is left out rather than dead."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
