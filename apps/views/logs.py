"""The Logs tab of a workload: lines of all pods by time, followed without reloading; a line's own address; a download.

The right to read logs is asked for at every request, also each time a page that follows asks for what is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.forms.logs import LogFilter
from apps.loglines.lines import LogLine, around, read_point, stamp
from apps.loglines.patterns import PatternTooSlow
from apps.loglines.positions import Positions
from apps.loglines.query import MOST_LINES, LogPage, Query, without_filter
from apps.models import Workload
from apps.selectors.logs import store_for
from apps.selectors.workloads import subject_of
from apps.views.frame import opened_workload, workload_frame
from clusters.errors import ClusterError
from kcloud_site.audit import trail
from kcloud_site.tenants import permissions

FOLLOW_SECONDS, IDLE_SECONDS, LONG_IDLE = 2, 8, 10
EACH_SIDE = 200
DOWNLOADED_LINES, DOWNLOADED_BYTES = 100_000, 20 * 1024 * 1024
_KEPT = ("q", "pattern", "severity", "window", "pod", "container", "previous", "since", "until")


@dataclass(frozen=True)
class Read:
    """A page, or why there is none."""

    page: LogPage
    trouble: str = ""


@require_safe
@login_required
def logs(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """The newest lines, or those around one; with htmx only what is new."""
    workload = opened_workload(request, tenant, app, environment, "log.view")
    form = LogFilter(request.GET)
    is_right = form.is_valid()
    point = read_point(form.cleaned_data.get("line") or "")
    query = form.query() if is_right else Query()
    if point is not None:
        query = replace(without_filter(query), limit=MOST_LINES)
    read = _read(workload, query) if is_right else Read(_nothing())
    lines = around(read.page.lines, point, EACH_SIDE) if point is not None else read.page.lines
    is_followed = bool(request.htmx)  # type: ignore[attr-defined]
    idle = 0 if read.page.lines else min(_number(request.GET.get("idle")) + 1, LONG_IDLE)
    context = {
        **workload_frame(request, workload, "logs"),
        "form": form,
        "may_command": _may_command(request, workload),
        "read": read,
        "lines": lines,
        "marked": str(point) if point else "",
        "kept": _kept(request),
        "follows": point is None and query.until is None and not query.previous and is_right,
        "next": _address(request, after=_next(query, read), idle=idle),
        "delay": IDLE_SECONDS if idle >= LONG_IDLE or read.trouble else FOLLOW_SECONDS,
        "is_swapped": is_followed,
    }
    if is_followed:
        return render(request, "apps/log_lines.html", context)
    return render(request, "apps/logs.html", context, status=200 if is_right else 422)


@require_safe
@login_required
def download(
    request: HttpRequest, tenant: str, app: str, environment: str
) -> HttpResponse | StreamingHttpResponse:
    """The lines the filter lets through, as a text file: bounded, and it says at its end what is missing."""
    workload = opened_workload(request, tenant, app, environment, "log.view")
    form = LogFilter(request.GET)
    if not form.is_valid():
        return HttpResponse(status=400)
    query = replace(form.query(limit=MOST_LINES), after=Positions(), oldest_first=True)
    first = _read(workload, query)
    if first.trouble:
        return HttpResponse(first.trouble, status=503, content_type="text/plain; charset=utf-8")
    if request.method == "GET":
        trail.record(
            by=request.user, action="log.download", subject=subject_of(workload), after=_kept(request)
        )
    name = f"{workload.environment.namespace}-{workload.app.name}-{timezone.now():%Y%m%d-%H%M%S}.log"
    answer = StreamingHttpResponse(_text(workload, query, first), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _text(workload: Workload, query: Query, first: Read) -> Iterator[str]:
    """The lines until there are no more, or enough; then what is missing."""
    until = query.until if query.until is not None else int(timezone.now().timestamp() * 1e9)
    lines = size = 0
    for read in _pages(workload, replace(query, until=until), first):
        for line in read.page.lines:
            text = _row(line)
            lines, size = lines + 1, size + len(text.encode())
            if lines > DOWNLOADED_LINES or size > DOWNLOADED_BYTES:
                yield f"# {_too_much()}\n"
                return
            yield text
    for each in read.page.unread:
        yield f"# {each.pod}/{each.container}: {each.why}\n"
    if read.trouble:
        yield f"# {read.trouble}\n"


def _pages(workload: Workload, query: Query, read: Read) -> Iterator[Read]:
    """The first page and those that follow it, as long as there is something to go on to."""
    yield read
    while not read.trouble and (read.page.more or read.page.cut):
        before = read.page.positions
        read = _read(workload, replace(query, after=before))
        yield read
        if read.page.positions == before:
            return


def _too_much() -> str:
    return _("Cut here: a file holds at most %(lines)d lines and %(size)d MiB. Choose a shorter time.") % {
        "lines": DOWNLOADED_LINES,
        "size": DOWNLOADED_BYTES // 1024**2,
    }


def _row(line: LogLine) -> str:
    return f"{stamp(line.point.at)} {line.pod}/{line.container} {line.text}\n"


def _read(workload: Workload, query: Query) -> Read:
    try:
        return Read(store_for(workload, previous=query.previous).read(query))
    except PatternTooSlow:
        return Read(_nothing(), _("The search took too long. Choose a shorter time or simpler words."))
    except ClusterError as error:
        return Read(_nothing(), str(error))


def _may_command(request: HttpRequest, workload: Workload) -> bool:
    rights = ["command.run", *(["deployment.protected"] if workload.environment.protected else [])]
    return all(permissions.may(request.user, right, workload) for right in rights)


def _next(query: Query, read: Read) -> str:
    """Where to go on: after trouble, where it was."""
    if read.trouble:
        return str(query.after) if query.after else ""
    return str(read.page.positions)


def _nothing() -> LogPage:
    return LogPage(lines=[], positions=Positions())


def _kept(request: HttpRequest) -> dict[str, Any]:
    return {name: request.GET[name] for name in _KEPT if request.GET.get(name)}


def _address(request: HttpRequest, **more: Any) -> str:
    return f"{request.path}?{urlencode({**_kept(request), **more})}"


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 4 else 0
