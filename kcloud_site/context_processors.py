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
from kcloud_site.tenants import permissions

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
    is_operator = permissions.platform_role(user) is not None
    return {
        "html_language": _LANGUAGES[language]["html"],
        "other_language": _LANGUAGES["en" if language == "zh-hans" else "zh-hans"],
        "appearance": getattr(user, "appearance", ""),
        "density": getattr(user, "density", ""),
        "running_operations": lambda: counts().running if is_operator else 0,
        "navigation": lambda: _navigation(request, counts() if is_operator else None),
    }


def _navigation(request: HttpRequest, counts: attention.Counts | None) -> list[Entry]:
    """The entries in their order; whoever has no place on the platform sees no counts and none of its areas."""
    path, user = request.path, request.user
    entries = [Entry(_("Overview"), icon="layout-dashboard", url=reverse("overview"), is_current=path == "/")]
    if counts is not None:
        entries.append(_clusters(path, counts))
    if permissions.has_anywhere(user, "operation.view"):
        running = counts.running if counts else 0
        entries.append(
            Entry(
                _("Operations"),
                icon="list-checks",
                url=_address("operations:list"),
                is_current=path.startswith("/operations/"),
                count=running,
                css="is-run",
                meaning=_("running"),
            )
        )
    if permissions.has_anywhere(user, "audit.view"):
        url = _address("operations:audit")
        entries.append(Entry(_("Audit"), icon="scroll-text", url=url, is_current=path.startswith("/audit/")))
    return [entry for entry in entries if entry.url]


def _clusters(path: str, counts: attention.Counts) -> Entry:
    area = ("/clusters/", "/hosts/", "/regions/", "/credentials/", "/bundles/")
    return Entry(
        _("Clusters"),
        icon="server",
        url=_address("clusters:list"),
        is_current=path.startswith(area),
        count=counts.unwell,
        css=counts.unwell_css,
        meaning=_("not healthy"),
    )


def _address(name: str) -> str:
    """Empty for an area this portal is built without: its entry is left out rather than dead."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
