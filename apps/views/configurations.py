"""Configuration of an application in an environment: the editor, revisions, differences, publishing, who reads what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.errors import ConfigurationChanged, ConfigurationInvalid
from apps.forms import configurations as editor
from apps.models import App, ConfigRevision, Workload
from apps.selectors import configurations as reading
from apps.selectors.workloads import right_to_change
from apps.services import config_stages
from apps.services import configurations as services
from apps.views.frame import app_frame, opened_app, workload_frame
from clusters.errors import ClusterError
from clusters.models import Environment
from clusters.views import answers
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants import permissions

REVISIONS_SHOWN, PODS_SHOWN, CHOICES = 8, 20, 200
# How a revision's state is shown: its word in the status vocabulary.
STATES = {
    "draft": "pending",
    "proposed": "approval",
    "trial": "updating",
    "published": "healthy",
    "superseded": "stopped",
    "withdrawn": "cancelled",
}


@dataclass(frozen=True)
class Place:
    """What every page here is about. `workload` is None before anything was deployed or published."""

    app: App
    environment: Environment
    workload: Workload | None

    @property
    def names(self) -> tuple[str, str, str]:
        return self.app.tenant.name, self.app.name, self.environment.name


@dataclass(frozen=True)
class Shown:
    """A revision with its state in the status vocabulary."""

    row: ConfigRevision

    @property
    def key(self) -> str:
        return "failed" if self.row.reason else STATES[self.row.state]

    @property
    def may_return(self) -> bool:
        """Whether it was in force once, and is not now."""
        return self.row.published_at is not None and self.row.state != self.row.State.PUBLISHED


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
    place = _opened(request, tenant, app, environment, right)
    base = _base(place)
    if request.method == "POST":
        return _save(request, place, base)
    return _page(request, place, editor.rows_of(reading.entries_of(base)))


@require_safe
@login_required
def compare(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What differs between two revisions, or between what is published here and in another environment."""
    place = _opened(request, tenant, app, environment, "config.view")
    rows = list(reading.revisions(place.app, place.environment)[:CHOICES])
    other = Environment.objects.filter(tenant=place.app.tenant, name=request.GET.get("with", "")).first()
    after = _chosen(rows, request.GET.get("to", "")) or reading.published(place.app, place.environment)
    if other is not None:
        before = reading.published(place.app, other)
    else:
        before = _chosen(rows, request.GET.get("from", "")) or _before(rows, after)
    context = {
        **_frame(request, place),
        "revisions": rows,
        "others": _others(place),
        "other": other,
        "before": before,
        "after": after,
        "changes": reading.changes(before, after),
    }
    return render(request, "apps/config_compare.html", context)


@require_POST
@login_required
def act(
    request: HttpRequest, tenant: str, app: str, environment: str, number: int, action: str
) -> HttpResponse:
    """Propose or withdraw the open revision, or begin a draft equal to an old one."""
    place = _opened(request, tenant, app, environment, "config.edit")
    revision = _revision(place, number)
    does: dict[str, tuple[Callable[..., Any], str]] = {
        "propose": (services.propose, _("r%(number)s waits for approval.")),
        "withdraw": (services.withdraw, _("r%(number)s was withdrawn.")),
        "rollback": (
            services.roll_back,
            _("A draft equal to r%(number)s was made. Look at it, then publish it."),
        ),
    }
    if action not in does:
        raise Http404
    service, said = does[action]
    return _done(
        request, place, lambda: service(revision=revision, by=request.user), said % {"number": number}
    )


@require_POST
@login_required
def publish(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """All pods get it."""
    place = _opened_to_publish(request, tenant, app, environment)
    revision = _revision(place, number)
    expected = request.POST.get("expected", "")
    return _done(
        request,
        place,
        lambda: services.publish(revision=revision, by=request.user, expected=expected),
        _("r%(number)s is published.") % {"number": number},
    )


@require_POST
@login_required
def stage(request: HttpRequest, tenant: str, app: str, environment: str, number: int) -> HttpResponse:
    """A share of the pods gets it first."""
    place = _opened_to_publish(request, tenant, app, environment)
    revision = _revision(place, number)

    def begin() -> None:
        config_stages.stage(
            revision=revision,
            by=request.user,
            share=_number(request, "share", config_stages.DEFAULT_SHARE),
            seconds=_number(request, "seconds", config_stages.DEFAULT_SECONDS),
        )

    return _done(request, place, begin, _("r%(number)s is on trial.") % {"number": number})


@require_POST
@login_required
def copy(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """A draft equal to what is published in another environment, without its secrets."""
    place = _opened(request, tenant, app, environment, "config.edit")
    source = Environment.objects.filter(tenant=place.app.tenant, name=request.POST.get("source", "")).first()
    if source is None:
        messages.error(request, _("There is no such environment."))
        return answers.see("apps:config", *place.names)
    return _done(
        request,
        place,
        lambda: services.copy_from(
            app=place.app, environment=place.environment, source=source, by=request.user
        ),
        _("A draft equal to %(name)s was made, without secrets.") % {"name": source.name},
    )


# ---- what they share


def _opened(request: HttpRequest, tenant: str, app: str, environment: str, right: str) -> Place:
    found = opened_app(request, tenant, app, right)
    rows = Environment.objects.select_related("cluster", "tenant")
    where = get_object_or_404(rows, tenant=found.tenant, name=environment)
    return Place(found, where, reading.workload_in(found, where))


def _opened_to_publish(request: HttpRequest, tenant: str, app: str, environment: str) -> Place:
    """Publishing changes what runs: in protected environments that takes the right for it, too."""
    place = _opened(request, tenant, app, environment, "config.publish")
    permissions.check(request.user, right_to_change(place.environment), place.app)
    return place


def _revision(place: Place, number: int) -> ConfigRevision:
    return get_object_or_404(reading.revisions(place.app, place.environment), number=number)


def _base(place: Place) -> ConfigRevision | None:
    """What the editor begins with."""
    return reading.open_revision(place.app, place.environment) or reading.published(
        place.app, place.environment
    )


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


def _page(
    request: HttpRequest,
    place: Place,
    rows: list[editor.Row],
    *,
    general: list[str] | None = None,
    status: int = 200,
) -> HttpResponse:
    now = reading.open_revision(place.app, place.environment)
    in_force = reading.published(place.app, place.environment)
    base = now or in_force
    readers = reading.readers(place.workload, reading.entries_of(base))
    for row in rows:
        row.readers = readers.get(row.name, [])
        row.value = "" if row.secret else row.value
    context = {
        **_frame(request, place),
        "open": Shown(now) if now else None,
        "in_force": in_force,
        "changes": reading.changes(in_force, now) if now else (),
        "rows": rows,
        "formats": editor.FORMATS,
        "expected": base.etag if base else "",
        "note": request.POST.get("note", now.note if now else ""),
        "general": general or [],
        "errors": [(row, field, text) for row in rows for field, text in row.errors],
        "revisions": [
            Shown(row) for row in reading.revisions(place.app, place.environment)[:REVISIONS_SHOWN]
        ],
        "uses": reading.uses(place.workload)[:PODS_SHOWN],
        "others": _others(place),
        "reloads": place.app.reload == App.Reload.HOT,
        "share": config_stages.DEFAULT_SHARE,
        "seconds": config_stages.DEFAULT_SECONDS,
    }
    return render(request, "apps/config.html", context, status=status)


def _frame(request: HttpRequest, place: Place) -> dict[str, Any]:
    if place.workload is not None:
        frame = workload_frame(request, place.workload, "config")
    else:
        frame = {**app_frame(request, place.app, "config"), "environment": place.environment}
    publishes = permissions.may(request.user, "config.publish", place.app) and permissions.may(
        request.user, right_to_change(place.environment), place.app
    )
    edits = permissions.may(request.user, "config.edit", place.app)
    return {**frame, "may_edit_config": edits, "may_publish_config": publishes}


def _done(request: HttpRequest, place: Place, act_on_it: Callable[[], Any], said: str) -> HttpResponse:
    """Do it, say so, and back to the page; what was refused is said there."""
    try:
        act_on_it()
    except (ClusterError, SubjectBusy) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, said)
    return answers.see("apps:config", *place.names)


def _others(place: Place) -> list[Environment]:
    rows = Environment.objects.filter(tenant=place.app.tenant).exclude(pk=place.environment.pk)
    return list(rows.filter(config_revisions__app=place.app).distinct().order_by("name"))


def _chosen(rows: list[ConfigRevision], text: str) -> ConfigRevision | None:
    return next((row for row in rows if str(row.number) == text), None)


def _before(rows: list[ConfigRevision], after: ConfigRevision | None) -> ConfigRevision | None:
    """What `after` began from, else the one before it."""
    if after is None:
        return None
    return _chosen(rows, str(after.base)) or next((row for row in rows if row.number < after.number), None)


def _number(request: HttpRequest, name: str, default: int) -> int:
    text = request.POST.get(name, "").strip()
    if not text:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
