"""Pages of operations. Each shows and translates; services act."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from kcloud_site.operations import kinds, log_pages, selectors, services
from kcloud_site.operations import progress as progressing
from kcloud_site.operations.errors import OperationNotResumable
from kcloud_site.operations.forms import CancelForm, OperationFilter
from kcloud_site.operations.models import ACTIVE, LogLine, Operation, State
from kcloud_site.operations.views.addresses import whole_number
from kcloud_site.requests import ConsoleRequest
from kcloud_site.tenants import permissions

ROWS_A_PAGE = 25


@require_safe
@login_required
def operation_list(request: ConsoleRequest) -> HttpResponse:
    """All operations: what is at work first, then the newest."""
    form = OperationFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    permissions.check_anywhere(request.user, "operation.view")
    mine = permissions.visible(Operation.objects.all(), request.user, "operation.view")
    listed = selectors.AtWorkFirst(_filtered(mine, chosen))
    page = selectors.OperationPaginator(listed, ROWS_A_PAGE).get_page(request.GET.get("page"))
    for operation in page:
        operation.title = progressing.title_of(operation.kind)
    context = {
        "form": form,
        "page": page,
        "now": timezone.now(),
        "is_live": any(operation.is_active for operation in page),
        "delay": log_pages.delay(whole_number(request, "idle") or 3),
    }
    if request.htmx:
        return render(request, "operations/list.html#rows", context)
    context["summary"] = selectors.counts_by_state(mine)
    context["most"] = selectors.MOST
    context["kinds"] = _known_kinds()
    return render(request, "operations/list.html", context)


def _filtered(found: QuerySet[Operation], chosen: dict[str, Any]) -> QuerySet[Operation]:
    if chosen.get("state"):
        found = found.filter(state__in=ACTIVE if chosen["state"] == "active" else [chosen["state"]])
    if chosen.get("kind"):
        found = found.filter(kind=chosen["kind"])
    if chosen.get("q"):
        found = found.filter(subject_name__icontains=chosen["q"])
    return found


def _known_kinds() -> list[tuple[str, Any]]:
    return sorted(((key, str(progressing.title_of(key))) for key in kinds.known()), key=lambda kind: kind[1])


@require_safe
@login_required
def detail(request: ConsoleRequest, pk: int) -> HttpResponse:
    """One operation: what state, why, what now; its steps on its hosts; its log, line by line.

    ?line= shows that line, ?before= the lines before one, ?after= those after; ?host= and ?step= filter.
    """
    operation = _operation(request, pk)
    after = whole_number(request, "after")
    if request.htmx and after is not None:
        return _next_lines(request, operation, after)
    context = _page_context(request, operation)
    context.update(_log_context(request, operation, _first_lines(request, operation, after)))
    return render(request, "operations/detail.html", context)


def _operation(request: ConsoleRequest, pk: int, right: str = "operation.view") -> Operation:
    """The operation, for whoever has the right on it; to outsiders it is not there."""
    operation = get_object_or_404(Operation, pk=pk)
    permissions.check(request.user, right, operation)
    return operation


def _first_lines(request: ConsoleRequest, operation: Operation, after: int | None) -> log_pages.Shown:
    wanted = _log_filter(request)
    line = whole_number(request, "line")
    if line:
        return log_pages.around(operation, wanted, line)
    if after is not None:
        return log_pages.following(operation, wanted, after)
    return log_pages.last(operation, wanted, before=whole_number(request, "before") or 0)


def _next_lines(request: ConsoleRequest, operation: Operation, after: int) -> HttpResponse:
    """The lines after `after` and the next question; no question when the operation has ended and all is told."""
    shown = log_pages.following(operation, _log_filter(request), after)
    idle = 0 if shown.lines else (whole_number(request, "idle") or 0) + 1
    context = _log_context(request, operation, shown)
    context["operation"] = operation
    context["follow_delay"] = 0 if shown.later else log_pages.delay(idle)
    context["idle"] = idle
    context["is_live"] = operation.is_active or shown.later
    return render(request, "operations/log_lines.html", context)


def _log_context(request: ConsoleRequest, operation: Operation, shown: log_pages.Shown) -> dict[str, Any]:
    wanted = _log_filter(request)
    return {
        "shown": shown,
        "wanted": wanted,
        "marked": whole_number(request, "line"),
        "longest": log_pages.LONGEST_SHOWN,
        "retry_after": log_pages.RETRY_AFTER,
        "follow_delay": 1,
        "idle": 0,
        # A window into the past does not follow: what comes would not join on to what it shows.
        "is_live": operation.is_active and not shown.later,
    }


def _page_context(request: ConsoleRequest, operation: Operation) -> dict[str, Any]:
    now = timezone.now()
    progress = progressing.progress(operation, now)
    hosts_page = whole_number(request, "hosts") or 1
    return {
        "operation": operation,
        "title": progressing.title_of(operation.kind),
        "progress": progress,
        "matrix": progressing.matrix(operation, progress.steps, now, hosts_page),
        "confirm": _name_to_confirm(operation),
        "may_control": permissions.may(request.user, "operation.control", operation),
        "has_no_worker": operation.state == State.PENDING and (progress.times.silent or 0) > 30,
        "lost_its_worker": bool(
            operation.state == State.RUNNING and operation.lease_until and operation.lease_until < now
        ),
        "panel_delay": 2,
        "panel_idle": 0,
        "retry_after": log_pages.RETRY_AFTER,
    }


@require_safe
@login_required
def panel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """The live part above the log. What has not changed since `seen` is not sent again."""
    operation = _operation(request, pk)
    context = _page_context(request, operation)
    changed = request.GET.get("seen", "") != context["progress"].digest
    idle = 0 if changed else (whole_number(request, "idle") or 0) + 1
    context.update(
        changed=changed,
        panel_idle=idle,
        panel_delay=1 + log_pages.delay(idle),
        hosts_page=context["matrix"].page,
    )
    return render(request, "operations/panel.html", context)


@require_safe
@login_required
def log(request: ConsoleRequest, pk: int) -> StreamingHttpResponse:
    """The whole log as a text file: number, time in UTC, step, host, text."""
    operation = _operation(request, pk)
    response = StreamingHttpResponse(_raw_lines(operation), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="op-{operation.pk}.log"'
    return response


def _raw_lines(operation: Operation) -> Iterator[str]:
    lines = LogLine.objects.filter(operation=operation, number__lte=operation.last_line).order_by("number")
    for line in lines.iterator(chunk_size=1000):
        where = f"{line.step or '-'} {line.target or '-'}"
        yield f"{line.number} {line.at:%Y-%m-%dT%H:%M:%S.%fZ} {line.level} {where} {line.text}\n"


def _name_to_confirm(operation: Operation) -> str:
    """The name to type before cancelling; empty where cancelling costs nothing."""
    try:
        asks = kinds.get(operation.kind).confirm_cancel
    except KeyError:
        asks = True
    return operation.subject_name if asks else ""


@login_required
def cancel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Ask the operation to stop; a page of its own for whoever has no popovers, and for a wrong name."""
    operation = _operation(request, pk, "operation.control")
    form = CancelForm(request.POST or None, expected=_name_to_confirm(operation))
    if request.method == "POST" and (form.is_valid() or not form.fields):
        if operation.is_active:
            services.cancel_operation(operation=operation, by=request.user)
            messages.success(request, _("Cancelling op-%(id)s.") % {"id": pk})
        else:
            messages.warning(request, _("op-%(id)s had ended already; nothing was cancelled.") % {"id": pk})
        return _see_operation(pk)
    title = progressing.title_of(operation.kind)
    context = {"operation": operation, "title": title, "form": form, "confirm": _name_to_confirm(operation)}
    return render(request, "operations/cancel.html", context, status=422 if form.errors else 200)


@require_POST
@login_required
def resume(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Go on where it stopped."""
    operation = _operation(request, pk, "operation.control")
    try:
        services.resume_operation(operation=operation, by=request.user)
    except OperationNotResumable as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("op-%(id)s goes on where it stopped.") % {"id": pk})
    return _see_operation(pk)


def _see_operation(pk: int) -> HttpResponse:
    response = redirect("operations:detail", pk)
    response.status_code = 303
    return response


def _log_filter(request: ConsoleRequest) -> log_pages.Filter:
    return log_pages.Filter(host=request.GET.get("host", "")[:100], step=request.GET.get("step", "")[:60])
