"""The page of an application in one environment: state, why, what now; pods; the latest changes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.models import Deployment, Pin, Workload
from apps.selectors.seen_pods import pods_seen
from apps.views.frame import opened_workload, workload_frame
from kcloud_site.operations.models import ACTIVE, Operation

PODS_SHOWN, CHANGES_SHOWN = 20, 6


@require_safe
@login_required
def workload(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """State now, why, and what next."""
    found = opened_workload(request, tenant, app, environment)
    context = {**workload_frame(request, found, "overview"), **_facts(found)}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/workload.html#live", {**context, "swapped": True})
    return render(request, "apps/workload.html", context)


def _facts(found: Workload) -> dict[str, Any]:
    seen = pods_seen(found)
    rows = Operation.objects.filter(subject_type="apps.workload", subject_id=str(found.pk))
    newest = rows.defer("inputs").order_by("-pk").first()
    deployments = Deployment.objects.filter(workload=found).select_related("release").order_by("-number")
    return {
        "pods": seen.rows[:PODS_SHOWN],
        "pod_count": seen.total,
        "deployments": deployments[:CHANGES_SHOWN],
        "pins": Pin.objects.filter(workload=found, lifted_at__isnull=True).select_related("release"),
        "active": newest if newest and newest.state in ACTIVE else None,
        "newest": newest,
        "wanted": found.wanted_replicas,
    }
