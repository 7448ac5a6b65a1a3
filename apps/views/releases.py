"""Releases of an application: the list, one of them, the difference between two, and publishing."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.errors import SpecInvalid
from apps.forms.applications import ReleaseForm
from apps.importing.documents import load_all
from apps.models import App, Release
from apps.services import releases as services
from apps.specs.comparing import differences
from apps.views.frame import app_frame, opened_app
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.planning.plan_yaml import dump
from clusters.views import answers

ROWS_A_PAGE = 50
_FIRST = """kind: Deployment
containers:
  - name: %(name)s
    image: %(image)s
    ports:
      - name: http
        port: 8080
    resources:
      requests: {cpu: 100m, memory: 64Mi}
      limits: {memory: 128Mi}
    probes:
      startup: {type: http, port: 8080, path: /, failures: 30, period: 2}
      readiness: {type: http, port: 8080, path: /}
      liveness: {type: http, port: 8080, path: /}
service:
  ports:
    - name: http
      port: 80
"""


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


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def publish(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """A new release; begins as the newest one is."""
    found = opened_app(request, tenant, app, "release.publish")
    form = ReleaseForm(request.POST or None, initial={"spec": _beginning(found)})
    problems: list[tuple[str, str]] = []
    if request.method == "POST" and form.is_valid():
        try:
            (spec,) = load_all(form.cleaned_data["spec"]) or [None]
            made = services.publish_release(
                app=found,
                version=form.cleaned_data["version"],
                spec=spec,
                notes=form.cleaned_data["notes"],
                by=request.user,
            )
        except SpecInvalid as refused:
            problems = [
                (each.path, f"{each.message_in(_)} {each.remedy_in(_)}".strip()) for each in refused.problems
            ]
            form.add_error("spec", _("The release is refused. Nothing was saved."))
        except ValueError:
            form.add_error("spec", _("Write one document."))
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            messages.success(request, _("Release %(version)s was published.") % {"version": made.version})
            return answers.see("apps:release", tenant, found.name, made.number)
    context = {
        **app_frame(request, found, "releases"),
        "form": form,
        "problems": problems,
        "title": _("Publish a release"),
        "submit": _("Publish"),
        "back": reverse("apps:releases", args=[tenant, found.name]),
    }
    return answers.form_page(request, "apps/release_form.html", context)


def _beginning(app: App) -> str:
    newest = app.releases.order_by("-number").first()
    if newest is not None:
        return dump(newest.spec)
    return _FIRST % {"name": app.name, "image": f"registry.example/{app.tenant.name}/{app.name}:1.0"}


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
