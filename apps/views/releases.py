"""Releases of an application: the list, one of them, and the difference between two."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from apps.models import App, Release
from apps.specs.comparing import differences
from apps.views.frame import app_frame, opened_app
from clusters.planning.plan_yaml import dump

ROWS_A_PAGE = 50


@require_safe
@login_required
def release_list(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """All releases, newest first, and where each runs."""
    found = opened_app(request, tenant, app)
    page = Paginator(found.releases.order_by("-number"), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {**app_frame(request, found, "releases"), "page": page, "running": _running(found)}
    return render(request, "apps/releases.html", context)


@require_safe
@login_required
def release(request: HttpRequest, tenant: str, app: str, number: int) -> HttpResponse:
    """What it runs, who made it, where it runs, and what differs from another (`?with=`), by default the one before."""
    found = opened_app(request, tenant, app)
    one = get_object_or_404(found.releases, number=number)
    others = list(
        found.releases.exclude(pk=one.pk).order_by("-number").values_list("number", "version")[:200]
    )
    other = _other(request, found, one)
    context = {
        **app_frame(request, found, "releases"),
        "release": one,
        "spec_text": dump(one.spec),
        "others": others,
        "other": other,
        "changes": [_told(each) for each in differences(other.spec, one.spec)] if other else [],
        "where": _running(found).get(one.pk, []),
    }
    return render(request, "apps/release.html", context)


def _other(request: HttpRequest, app: App, one: Release) -> Release | None:
    wanted = request.GET.get("with", "")
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 9:
        return app.releases.filter(number=int(wanted)).first()
    return app.releases.filter(number__lt=one.number).order_by("-number").first()


def _running(app: App) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    rows = app.workloads.filter(binned_at__isnull=True, release__isnull=False).select_related("environment")
    for workload in rows:
        found.setdefault(workload.release_id or 0, []).append(workload)
    return found


def _told(change: Any) -> dict[str, Any]:
    return {
        "path": change.path,
        "what": change.what,
        "before": _as_text(change.before),
        "after": _as_text(change.after),
    }


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
