"""What the frame of every console page shows. Nothing is queried until a template asks (partials do not)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from kcloud_site import attention
from kcloud_site.tenants import current, permissions, selectors

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
    """Navigation with counts, the tenant switch, running operations, language and appearance."""
    user = getattr(request, "user", None)
    language = "zh-hans" if (get_language() or "en").startswith("zh") else "en"
    is_platform = permissions.platform_role(user) is not None
    counts = functools.cache(attention.counts if is_platform else lambda: attention.counts_for(user))
    return {
        "html_language": _LANGUAGES[language]["html"],
        "other_language": _LANGUAGES["en" if language == "zh-hans" else "zh-hans"],
        "appearance": getattr(user, "appearance", ""),
        "density": getattr(user, "density", ""),
        "is_platform": is_platform,
        "running_operations": lambda: counts().running if user and user.is_authenticated else 0,
        "navigation": lambda: _navigation(request, counts, is_platform),
        "tenant_switch": functools.cache(lambda: _switch(request)),
    }


def _switch(request: HttpRequest) -> selectors.Switch | None:
    """None for whoever has no tenant to choose."""
    if not getattr(request, "user", None) or not request.user.is_authenticated:
        return None
    found = selectors.switch(request.user, current.tenant_of(request))
    return found if found.choices else None


def _navigation(
    request: HttpRequest, counts: Callable[[], attention.Counts], is_platform: bool
) -> list[Entry]:
    """The entries in their order, as far as the person has a place there."""
    path, user = request.path, request.user
    entries = [Entry(_("Overview"), icon="layout-dashboard", url=reverse("overview"), is_current=path == "/")]
    if is_platform:
        entries.append(_clusters(path, counts()))
    if permissions.has_anywhere(user, "app.view"):
        entries.append(_applications(request, path))
    if permissions.has_anywhere(user, "environment.view"):
        entries.append(_environments(request, path))
    if permissions.has_anywhere(user, "operation.view"):
        entries.append(
            Entry(
                _("Operations"),
                icon="list-checks",
                url=_address("operations:list"),
                is_current=path.startswith("/operations/"),
                count=counts().running,
                css="is-run",
                meaning=_("running"),
            )
        )
    if permissions.has_anywhere(user, "audit.view"):
        url = _address("operations:audit")
        entries.append(Entry(_("Audit"), icon="scroll-text", url=url, is_current=path.startswith("/audit/")))
    if user.is_authenticated:
        entries.append(_members(request, path))
    return [entry for entry in entries if entry.url]


def _members(request: HttpRequest, path: str) -> Entry:
    """Leads to the present tenant's page; without one, to the list of tenants."""
    tenant = current.tenant_of(request)
    url = reverse("tenants:members", args=[tenant.name]) if tenant else reverse("tenants:list")
    title = _("Members & quota") if tenant else _("Tenants")
    here = path.startswith("/tenants/") and not _about_environments(path) and not _about_applications(path)
    return Entry(title, icon="users", url=url, is_current=here)


def _environments(request: HttpRequest, path: str) -> Entry:
    """Those of the present tenant; without one, all that the person may see."""
    tenant = current.tenant_of(request)
    named = reverse("clusters:environments", args=[tenant.name]) if tenant else ""
    url = named or reverse("clusters:all_environments")
    return Entry(_("Environments"), icon="layers", url=url, is_current=_about_environments(path))


def _applications(request: HttpRequest, path: str) -> Entry:
    """Those of the present tenant; without one, all that the person may see."""
    tenant = current.tenant_of(request)
    url = reverse("apps:list", args=[tenant.name]) if tenant else reverse("apps:all")
    return Entry(_("Applications"), icon="boxes", url=url, is_current=_about_applications(path))


def _about_applications(path: str) -> bool:
    return path.startswith("/apps/") or "/apps/" in path.removeprefix("/tenants/")


def _about_environments(path: str) -> bool:
    return path.startswith("/environments/") or "/environments/" in path.removeprefix("/tenants/")


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
