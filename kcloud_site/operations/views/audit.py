"""Pages of the audit trail: who changed what, the state of its chain, its export, and what changed near one thing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from kcloud_site.audit import selectors, verification
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import audit_pages
from kcloud_site.operations.audit_export import export_events
from kcloud_site.operations.forms import AuditFilter
from kcloud_site.operations.views.addresses import whole_number
from kcloud_site.requests import ConsoleRequest
from kcloud_site.tenants import permissions

# The clock's check is due every few minutes; later than this it does not run.
OVERDUE = timedelta(seconds=4 * verification.EVERY)


@require_safe
@login_required
def events(request: ConsoleRequest) -> HttpResponse:
    """Who changed what, newest first. ?older= and ?newer= go on from an event."""
    permissions.check_anywhere(request.user, "audit.view")
    form = _form(request)
    page, wanted = audit_pages.Page(()), audit_pages.Wanted()
    if form.is_valid():
        wanted = form.wanted()
        older, newer = whole_number(request, "older"), whole_number(request, "newer")
        page = audit_pages.page(audit_pages.matching(_mine(request), wanted), older=older, newer=newer)
    context = {
        "form": form,
        "page": page,
        "is_filtered": bool(wanted),
        "tenants": _tenants_of(request, page),
        "actions": _by_noun(selectors.values_of("action")),
        "types": selectors.values_of("object_type"),
        **_chain(request),
    }
    return render(request, "operations/audit.html", context, status=422 if form.errors else 200)


def _form(request: ConsoleRequest) -> AuditFilter:
    return AuditFilter(request.GET, tenants=permissions.tenants_of(request.user))


def _mine(request: ConsoleRequest) -> QuerySet[AuditEvent]:
    return permissions.visible(AuditEvent.objects.all(), request.user, "audit.view")


def _tenants_of(request: ConsoleRequest, page: audit_pages.Page) -> dict[int, str]:
    """Names by id of the tenants whose events are shown."""
    ids = {event.tenant_id for event in page.events if event.tenant_id}
    return dict(permissions.tenants_of(request.user).filter(pk__in=ids).values_list("pk", "name"))


def _by_noun(actions: list[str]) -> list[tuple[str, list[str]]]:
    """[("cluster", ["cluster.deploy", …]), …]"""
    nouns: dict[str, list[str]] = {}
    for action in actions:
        nouns.setdefault(action.partition(".")[0], []).append(action)
    return list(nouns.items())


def _chain(request: ConsoleRequest) -> dict[str, Any]:
    """State of the chain, which is the whole platform's."""
    if not permissions.may(request.user, "platform.view"):
        return {"chain": None}
    chain = verification.state()
    overdue = chain.checked_at is None or timezone.now() - chain.checked_at > OVERDUE
    return {"chain": chain, "chain_is_overdue": overdue}


@require_POST
@login_required
def check(request: ConsoleRequest) -> HttpResponse:
    """Read a stretch of the chain now, as the clock does every few minutes."""
    permissions.check(request.user, "platform.view")
    if verification.go_on().broken_at is None:
        messages.success(request, _("The chain was read on: every seal fits."))
    return _see_trail()


def _see_trail(query: str = "") -> HttpResponse:
    response = redirect(f"{reverse('operations:audit')}?{query}".rstrip("?"))
    response.status_code = 303
    return response


@require_POST
@login_required
def export(request: ConsoleRequest) -> HttpResponse | StreamingHttpResponse:
    """The events the filter in the address shows, all of them, as JSON lines."""
    permissions.check_anywhere(request.user, "audit.view")
    form = _form(request)
    if not form.is_valid():
        # The page marks the field.
        return _see_trail(request.GET.urlencode())
    lines = export_events(wanted=form.wanted(), by=request.user)
    response = StreamingHttpResponse(lines, content_type="application/jsonl; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="audit-{timezone.now():%Y%m%d-%H%M%S}.jsonl"'
    return response


@require_safe
@login_required
def panel(request: ConsoleRequest, label: str, identity: str) -> HttpResponse:
    """What changed on one thing and on what can break it; ?before= (ISO 8601) what changed before that time."""
    thing = audit_pages.thing(label, identity)
    if thing is None:
        raise Http404
    permissions.check(request.user, "audit.view", thing)
    before = _moment(request.GET.get("before", ""))
    page = audit_pages.around(_mine(request), thing, until=before)
    context = {"page": page, "before": before, "label": label, "identity": identity}
    return render(request, "operations/audit_panel.html", context)


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else timezone.make_aware(moment)
