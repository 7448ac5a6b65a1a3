"""What every page of applications begins with: the thing of its address, its tabs, and who may do what to it.

A tab is there when its address is: a part of the product that this portal is built without leaves no dead link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from apps.models import App, Workload
from apps.selectors.workloads import right_to_change
from kcloud_site.tenants import permissions
from kcloud_site.tenants.views.answers import opened

# (key, address, word, right)
APP_TABS = (
    ("overview", "apps:detail", _("Overview"), "app.view"),
    ("releases", "apps:releases", _("Releases"), "app.view"),
    ("config", "apps:configurations", _("Configuration"), "config.view"),
)
WORKLOAD_TABS = (
    ("overview", "apps:workload", _("Overview"), "app.view"),
    ("deployments", "apps:deployments", _("Deployments"), "app.view"),
    ("pods", "apps:pods", _("Pods"), "app.view"),
    ("config", "apps:config", _("Configuration"), "config.view"),
    ("logs", "apps:logs", _("Logs"), "log.view"),
    ("health", "apps:health", _("Health"), "app.view"),
    ("healing", "apps:healing", _("Self-healing"), "app.view"),
    ("events", "apps:events", _("Events"), "app.view"),
)


@dataclass(frozen=True)
class Tab:
    """One tab: where it leads, its word, whether it is the open one."""

    url: str
    word: Any
    is_open: bool


def opened_app(request: HttpRequest, tenant: str, app: str, right: str = "app.view") -> App:
    """The application of the address, for whoever has the right; outsiders meet 404."""
    owner = opened(request, tenant, right)
    return get_object_or_404(App.objects.select_related("tenant"), tenant=owner, name=app)


def opened_workload(
    request: HttpRequest, tenant: str, app: str, environment: str, right: str = "app.view"
) -> Workload:
    """The application in that environment, for whoever has the right."""
    owner = opened(request, tenant, right)
    rows = Workload.objects.select_related("app", "tenant", "environment__cluster", "release", "good_release")
    return get_object_or_404(rows, tenant=owner, app__name=app, environment__name=environment)


def opened_to_change(request: HttpRequest, tenant: str, app: str, environment: str) -> Workload:
    """The same for whoever may deploy there: protected environments ask for more."""
    found = opened_workload(request, tenant, app, environment)
    permissions.check(request.user, right_to_change(found.environment), found)
    return found


def app_frame(request: HttpRequest, app: App, tab: str = "") -> dict[str, Any]:
    """Context of a page of an application."""
    may = permissions.may
    return {
        "tenant": app.tenant,
        "app": app,
        "tabs": _tabs(request, app, APP_TABS, tab, (app.tenant.name, app.name)),
        "may_edit": may(request.user, "app.edit", app),
        "may_remove": may(request.user, "app.remove", app),
        "may_publish": may(request.user, "release.publish", app),
        "may_deploy": may(request.user, "deployment.run", app),
    }


def workload_frame(request: HttpRequest, workload: Workload, tab: str = "") -> dict[str, Any]:
    """Context of a page of an application in an environment."""
    names = (workload.tenant.name, workload.app.name, workload.environment.name)
    may = permissions.may
    return {
        "tenant": workload.tenant,
        "app": workload.app,
        "environment": workload.environment,
        "workload": workload,
        "tabs": _tabs(request, workload, WORKLOAD_TABS, tab, names),
        "may_change": may(request.user, right_to_change(workload.environment), workload),
        "may_remove": may(request.user, "app.remove", workload),
    }


def _tabs(request: HttpRequest, thing: Any, known: Any, tab: str, names: tuple[str, ...]) -> list[Tab]:
    found = []
    for key, address, word, right in known:
        if not permissions.may(request.user, right, thing):
            continue
        try:
            found.append(Tab(reverse(address, args=names), word, key == tab))
        except NoReverseMatch:
            continue
    return found
