"""The pods of a workload, one pod, and the cluster's events about it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.forms.pods import PodFilter
from apps.models import Workload
from apps.selectors import pods as looking
from apps.selectors.seen_pods import Wanted, pods_seen
from apps.views.frame import opened_workload, workload_frame
from clusters.errors import ClusterError, ResourceNotFound
from kcloud_site.tenants.encryption import SecretUnreadable

ROWS_A_PAGE = 50


@require_safe
@login_required
def pod_list(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """Worst first, as the watch saw them last."""
    found = opened_workload(request, tenant, app, environment)
    form = PodFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    seen = pods_seen(found, Wanted(**chosen))
    page = Paginator(seen.rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        **workload_frame(request, found, "pods"),
        "form": form,
        "page": page,
        "seen": seen,
        "is_filtered": any(chosen.values()),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/pods.html#live", {**context, "swapped": True})
    return render(request, "apps/pods.html", context)


@require_safe
@login_required
def pod(request: HttpRequest, tenant: str, app: str, environment: str, pod: str) -> HttpResponse:
    """One pod as its cluster tells it now; 404 when it is not the application's."""
    found = opened_workload(request, tenant, app, environment)
    context: dict[str, Any] = {**workload_frame(request, found, "pods"), "name": pod}
    try:
        context["pod"] = looking.pod(found, pod)
    except ResourceNotFound as gone:
        raise Http404 from gone
    except (ClusterError, SecretUnreadable) as error:
        context["unseen"] = str(error)
    return render(request, "apps/pod.html", context)


@require_safe
@login_required
def events(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What the cluster said about the application's objects lately."""
    found = opened_workload(request, tenant, app, environment)
    context = {**workload_frame(request, found, "events"), **_events(found)}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/events.html#live", {**context, "swapped": True})
    return render(request, "apps/events.html", context)


def _events(found: Workload) -> dict[str, Any]:
    try:
        return {"rows": looking.events(found)}
    except (ClusterError, SecretUnreadable) as error:
        return {"rows": (), "unseen": str(error)}
