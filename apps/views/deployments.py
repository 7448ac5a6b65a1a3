"""What was deployed to a workload: the list with its undo, and one deployment, live."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from apps.models import Deployment, Release
from apps.selectors import deployments as reading
from apps.selectors.seen_pods import pods_seen
from apps.views.changes import undo_in_words
from apps.views.frame import opened_workload, workload_frame
from kcloud_site.operations.models import ACTIVE

ROWS_A_PAGE, PODS_SHOWN = 25, 50


@require_safe
@login_required
def deployment_list(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """Who, what, when, with which result; the newest can be undone."""
    found = opened_workload(request, tenant, app, environment)
    page = Paginator(reading.deployments_of(found), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        **workload_frame(request, found, "deployments"),
        "page": page,
        "pins": reading.pins_of(found),
        "undo": undo_in_words(found) if found.binned_at is None else "",
    }
    return render(request, "apps/deployments.html", context)


@require_safe
@login_required
def deployment(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """State, progress pod by pod, the reason when it is stuck, and what it returned to."""
    found = opened_workload(request, tenant, app, environment)
    one = get_object_or_404(reading.deployments_of(found), number=number)
    operation = reading.operation_of(one)
    seen = pods_seen(found)
    newest = reading.deployments_of(found).first()
    context = {
        **workload_frame(request, found, "deployments"),
        "deployment": one,
        "operation": operation,
        "active": operation is not None and operation.state in ACTIVE,
        "is_newest": newest is not None and newest.pk == one.pk,
        "pods": seen.rows[:PODS_SHOWN],
        "pod_count": seen.total,
        "wanted": found.wanted_replicas,
        "before": _before(one),
        "undo": undo_in_words(found) if newest is not None and newest.pk == one.pk else "",
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/deployment.html#live", {**context, "swapped": True})
    return render(request, "apps/deployment.html", context)


def _before(one: Deployment) -> dict[str, Any]:
    """What was there before, for people."""
    release = Release.objects.filter(pk=one.before.get("release_id")).first()
    return {**one.before, "release": release}
