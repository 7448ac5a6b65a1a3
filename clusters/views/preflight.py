"""Preflight of a plan: ask for it, follow it, accept a warning."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from clusters.errors import OverrideRefused
from clusters.forms.plans import AcceptForm
from clusters.models import PreflightCheck
from clusters.selectors import plan_pages
from clusters.selectors.preflight_panel import same_warnings
from clusters.services import preflight
from clusters.views import answers
from clusters.views.plans import planned_cluster
from kcloud_site.tenants.permissions import operator_required


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def run(request: HttpRequest, name: str) -> HttpResponse:
    """POST starts a preflight of the saved plan. GET is the live part of the plan page."""
    cluster = planned_cluster(name)
    if request.method == "POST":
        preflight.start_preflight(cluster=cluster, by=request.user)
        return answers.see("clusters:plan", cluster.name)
    if request.headers.get("HX-Request") != "true":
        return redirect("clusters:plan", cluster.name)
    context = {"cluster": cluster, "is_live": True, **plan_pages.page(cluster)}
    return render(request, "clusters/preflight_live.html", context)


@require_POST
@operator_required
def accept(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Accept a warning, on all hosts that have the same one, for one reason."""
    cluster = planned_cluster(name)
    check = get_object_or_404(PreflightCheck, pk=pk, revision__cluster=cluster)
    form = AcceptForm(request.POST)
    if not form.is_valid():
        text = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, _("The warning was not accepted. Reason: %(text)s") % {"text": text})
        return answers.see("clusters:plan", cluster.name)
    try:
        count = preflight.override_warnings(
            checks=same_warnings(check) or [check], by=request.user, reason=form.cleaned_data["reason"]
        )
    except OverrideRefused as refused:
        messages.error(request, str(refused))
        return answers.see("clusters:plan", cluster.name)
    text = ngettext("%(count)d warning accepted.", "%(count)d warnings accepted.", count)
    messages.success(request, text % {"count": count})
    return answers.see("clusters:plan", cluster.name)
