"""Enrolling a list of hosts in two steps: look at what the file says, then do it. Works without script."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from clusters.errors import ValueRefused
from clusters.forms import refusals
from clusters.forms.hosts import HostList
from clusters.hosts import files as host_files
from clusters.hosts.files import HostFileInvalid
from clusters.services import host_imports
from clusters.views import answers
from kcloud_site.tenants.permissions import operator_required

# A preview of the whole file would be a page too large to load fast; its text goes on complete.
ROWS_SHOWN = 200


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def host_import(request: HttpRequest) -> HttpResponse:
    """POST shows what would be enrolled; POST with `confirmed` enrols it."""
    form = HostList(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {"form": form, "columns": host_files.COLUMNS}
    if request.method != "POST" or not form.is_valid():
        return answers.form_page(request, "clusters/host_import.html", context)
    try:
        if "confirmed" in request.POST:
            return _enrol(request, form)
        rows = host_imports.check_hosts(**_chosen(form))
    except HostFileInvalid as error:
        form.add_error("file", _problem_count(error))
        context["refused"] = error
        context["problems"] = [(problem, problem.text_in(_)) for problem in error.problems]
        return answers.form_page(request, "clusters/host_import.html", context)
    except ValueRefused as error:
        refusals.show(form, error)
        return answers.form_page(request, "clusters/host_import.html", context)
    return render(
        request, "clusters/host_import_preview.html", {"rows": rows, "text": host_files.as_csv(rows)}
    )


def _enrol(request: HttpRequest, form: HostList) -> HttpResponse:
    made = host_imports.import_hosts(**_chosen(form), by=request.user)
    count = len(made.hosts)
    said = ngettext("%(count)d host is enrolled.", "%(count)d hosts are enrolled.", count) % {"count": count}
    messages.success(request, said)
    return answers.see("operations:detail", made.operation.pk)


def _chosen(form: HostList) -> dict[str, Any]:
    return {name: form.cleaned_data[name] for name in ("data", "format", "region", "credential")}


def _problem_count(error: HostFileInvalid) -> str:
    count = len(error.problems) + error.more
    return ngettext(
        "%(count)d thing in the file must be corrected; nothing was enrolled.",
        "%(count)d things in the file must be corrected; nothing was enrolled.",
        count,
    ) % {"count": count}
