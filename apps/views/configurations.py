"""The pages of a configuration: the editor, revisions, differences, who reads what."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.errors import ConfigurationChanged, ConfigurationInvalid
from apps.forms import configurations as editor
from apps.forms.config_import import FORMATS as EXPORTS
from apps.models import App, ConfigRevision
from apps.selectors import configurations as reading
from apps.services import configurations as services
from apps.views import config_band
from apps.views.config_frame import Place, Shown, base_of, frame_of, opened_place, other_environments
from apps.views.frame import app_frame, opened_app
from clusters.errors import ClusterError
from clusters.models import Environment
from clusters.views import answers

REVISIONS_SHOWN, CHOICES = 8, 200


@require_safe
@login_required
def of_app(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """The revisions of all environments, newest first, and the way to each."""
    found = opened_app(request, tenant, app, "config.view")
    rows = ConfigRevision.objects.filter(app=found).select_related("environment").order_by("-pk")[:CHOICES]
    context = {
        **app_frame(request, found, "config"),
        "rows": [Shown(row) for row in rows],
        "environments": Environment.objects.filter(tenant=found.tenant).order_by("name"),
    }
    return render(request, "apps/configurations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def config(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What is in force, the open draft and what it changes, the editor, who reads which key, which pod runs what."""
    right = "config.edit" if request.method == "POST" else "config.view"
    place = opened_place(request, tenant, app, environment, right)
    base = base_of(place)
    if request.method == "POST":
        return _save(request, place, base)
    if request.htmx:  # type: ignore[attr-defined]
        return _moved(request, place)
    return _page(request, place, editor.rows_of(reading.entries_of(base)))


@require_safe
@login_required
def compare(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What differs between two revisions, or between what is published here and in another environment."""
    place = opened_place(request, tenant, app, environment, "config.view")
    rows = list(reading.revisions(place.app, place.environment)[:CHOICES])
    other = Environment.objects.filter(tenant=place.app.tenant, name=request.GET.get("with", "")).first()
    after = _chosen(rows, request.GET.get("to", "")) or reading.published(place.app, place.environment)
    if other is not None:
        before = reading.published(place.app, other)
    else:
        before = _chosen(rows, request.GET.get("from", "")) or _before(rows, after)
    context = {
        **frame_of(request, place),
        "revisions": rows,
        "others": other_environments(place),
        "other": other,
        "before": before,
        "after": after,
        "changes": reading.changes(before, after),
    }
    return render(request, "apps/config_compare.html", context)


# ---- what they share


def _save(request: HttpRequest, place: Place, base: ConfigRevision | None) -> HttpResponse:
    secrets = [each.name for each in reading.entries_of(base) if each.secret]
    rows = editor.posted_rows(request.POST, secrets)
    if "more" in request.POST:
        return _page(
            request, place, editor.with_blank(rows, editor.BLANK_ROWS + sum(row.is_blank for row in rows))
        )
    sent = editor.sent(rows)
    try:
        saved = services.save_draft(
            app=place.app,
            environment=place.environment,
            entries=[row.entry() for row in sent],
            by=request.user,
            note=request.POST.get("note", "")[:500],
            expected=request.POST.get("expected", ""),
        )
    except ConfigurationInvalid as refused:
        general = editor.mark(sent, refused.problems, _)
        return _page(request, place, rows, general=general, status=422)
    except ConfigurationChanged as refused:
        again = _("Your changes are below. Saving them now replaces what the other person saved.")
        return _page(request, place, rows, general=[f"{refused} {again}"], status=409)
    except ClusterError as refused:
        return _page(request, place, rows, general=[str(refused)], status=409)
    messages.success(request, _("Draft r%(number)s was saved.") % {"number": saved.number})
    return answers.see("apps:config", *place.names)


def _moved(request: HttpRequest, place: Place) -> HttpResponse:
    """The parts that change by themselves. The end of a trial changes the editor, too: the whole page is read again."""
    band = config_band.band_of(place)
    if request.GET.get("trial") and not band.on_trial:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = {**frame_of(request, place), **band.context(), "swapped": True}
    return render(request, "apps/config.html#live", context)


def _page(
    request: HttpRequest,
    place: Place,
    rows: list[editor.Row],
    *,
    general: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    band = config_band.band_of(place)
    now, in_force = band.open and band.open.row, band.in_force
    base = now or in_force
    readers = reading.readers(place.workload, reading.entries_of(base))
    for row in rows:
        row.readers = readers.get(row.name, [])
        row.value = "" if row.secret else row.value
    context = {
        **frame_of(request, place),
        **band.context(),
        "changes": reading.changes(in_force, now) if now else (),
        "rows": rows,
        "has_known": any(row.known for row in rows),
        "formats": editor.FORMATS,
        "expected": base.etag if base else "",
        "note": request.POST.get("note", now.note if now else ""),
        "general": general or [],
        "errors": [(row, field, text) for row in rows for field, text in row.errors],
        "revisions": [
            Shown(row) for row in reading.revisions(place.app, place.environment)[:REVISIONS_SHOWN]
        ],
        "others": other_environments(place),
        "taken": base,
        "exports": EXPORTS,
        "reloads": place.app.reload == App.Reload.HOT,
    }
    return render(request, "apps/config.html", context, status=status)


def _chosen(rows: list[ConfigRevision], text: str) -> ConfigRevision | None:
    return next((row for row in rows if str(row.number) == text), None)


def _before(rows: list[ConfigRevision], after: ConfigRevision | None) -> ConfigRevision | None:
    """What `after` began from, else the one before it."""
    if after is None:
        return None
    return _chosen(rows, str(after.base)) or next((row for row in rows if row.number < after.number), None)
