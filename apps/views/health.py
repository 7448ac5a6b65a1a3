"""The Health tab of a workload: the doctor's report, the next click for each cause, and the probe coach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from apps.diagnosing.diagnosis import Diagnosis, Report
from apps.models import Workload
from apps.selectors import diagnosis
from apps.selectors.workloads import right_to_change
from apps.views.frame import opened_workload, workload_frame
from kcloud_site.tenants import permissions

PODS_SHOWN, FRESH_SECONDS = 8, 4
# Where each action of a diagnosis leads: address, whether it is about the workload or the application, and the words.
_OF_WORKLOAD, _OF_APP, _OF_ENVIRONMENT = "workload", "app", "environment"
CLICKS: dict[str, tuple[str, str, Any]] = {
    "logs": ("apps:logs", _OF_WORKLOAD, _("Open the logs")),
    "config": ("apps:config", _OF_WORKLOAD, _("Open the configuration")),
    "events": ("apps:events", _OF_WORKLOAD, _("See the events")),
    "scale": ("apps:scale", _OF_WORKLOAD, _("Scale")),
    "deploy": ("apps:deploy", _OF_WORKLOAD, _("Deploy")),
    "pod": ("apps:events", _OF_WORKLOAD, _("See the events")),
    "releases": ("apps:releases", _OF_APP, _("Open the releases")),
    "health": ("apps:releases", _OF_APP, _("Open the releases")),
    "environment": ("clusters:environment", _OF_ENVIRONMENT, _("Open the environment")),
}
# Actions that need a right besides the one to see the page.
RIGHTS = {"logs": "log.view", "config": "config.view", "environment": "environment.view"}
CHANGES = ("deploy", "scale")
STATES = {"down": "down", "degraded": "degraded", "notice": "paused"}


@dataclass(frozen=True)
class Row:
    """One diagnosis as a page shows it."""

    diagnosis: Diagnosis
    title: str
    cause: str
    remedy: str
    click: str
    click_words: Any

    @property
    def state(self) -> str:
        """Its word in the status vocabulary."""
        return STATES[self.diagnosis.severity]

    @property
    def pods(self) -> tuple[str, ...]:
        """The first pods; `more` are not shown."""
        return self.diagnosis.pods[:PODS_SHOWN]

    @property
    def more(self) -> int:
        return max(0, len(self.diagnosis.pods) - PODS_SHOWN)


@require_safe
@login_required
def health(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What is wrong, why, and what to do; then what could be better about the health checks."""
    workload = opened_workload(request, tenant, app, environment)
    context = _context(request, workload)
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/health.html#live", {**context, "swapped": True})
    return render(request, "apps/health.html", context)


@require_safe
@login_required
def panel(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """The worst cause alone: the band of the workload's page."""
    workload = opened_workload(request, tenant, app, environment)
    return render(request, "apps/health_panel.html", _context(request, workload))


def _context(request: HttpRequest, workload: Workload) -> dict[str, Any]:
    with_logs = permissions.may(request.user, "log.view", workload)
    found = _examined(workload, with_logs)
    return {
        **workload_frame(request, workload, "health"),
        "report": found.report,
        "rows": [_row(request, workload, each) for each in found.report.diagnoses],
        "advice": [(each.path, each.message_in(gettext), each.remedy_in(gettext)) for each in found.advice],
        "key": state_of(found.report),
        "with_logs": with_logs,
    }


def _examined(workload: Workload, with_logs: bool) -> diagnosis.Examination:
    """Everybody who looks at the same moment is answered by one look at the cluster."""
    key = f"diagnosis:{workload.pk}:{workload.changed_at.timestamp()}:{with_logs}"
    found: diagnosis.Examination | None = cache.get(key)
    if found is None:
        found = diagnosis.examine(workload, with_logs=with_logs)
        cache.set(key, found, FRESH_SECONDS)
    return found


def state_of(report: Report) -> str:
    """The report's own word in the status vocabulary."""
    if not report.seen:
        return "unknown"
    return STATES[report.worst.severity] if report.worst else "healthy"


def _row(request: HttpRequest, workload: Workload, each: Diagnosis) -> Row:
    words = CLICKS[each.action][2]
    texts = each.title_in(gettext), each.cause_in(gettext), each.remedy_in(gettext)
    right = right_to_change(workload.environment) if each.action in CHANGES else RIGHTS.get(each.action)
    may = right is None or permissions.may(request.user, right, workload)
    return Row(each, *texts, _click(workload, each.action) if may else "", words)


def _click(workload: Workload, action: str) -> str:
    """Where an action leads; empty while the portal has no such page."""
    address, about, _words = CLICKS[action]
    arguments = {
        _OF_WORKLOAD: (workload.tenant.name, workload.app.name, workload.environment.name),
        _OF_APP: (workload.tenant.name, workload.app.name),
        _OF_ENVIRONMENT: (workload.tenant.name, workload.environment.name),
    }[about]
    try:
        return reverse(address, args=arguments)
    except NoReverseMatch:
        return ""
