"""The tenant's bin: what waits there and until when, taking it back, emptying it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.forms.deploying import NoteForm
from apps.models import Workload
from apps.selectors.deployments import binned
from apps.services import bin as bins
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.views import answers
from kcloud_site.tenants import permissions
from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.views.answers import opened

change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def bin_list(request: HttpRequest, tenant: str) -> HttpResponse:
    """What waits, the next to go first."""
    owner = opened(request, tenant, "app.view")
    context = {
        "tenant": owner,
        "rows": binned(owner)[:200],
        "may_remove": permissions.may(request.user, "app.remove", owner),
    }
    return render(request, "apps/bin.html", context)


@change
@login_required
def restore(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """Out of the bin."""
    owner = opened(request, tenant, "app.remove")
    found = _binned(owner, pk)
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = bins.restore_workload(workload=found, by=request.user, note=form.cleaned_data["note"])
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            names = (owner.name, found.app.name, found.environment.name)
            return answers.see("apps:deployment", *names, made.number)
    context = {
        "tenant": owner,
        "form": form,
        "title": _("Take %(name)s out of the bin?") % {"name": found.app.name},
        "what": _("It runs again in %(place)s as before, with the volumes it had.")
        % {"place": found.environment.name},
        "submit": _("Take it out"),
        "back": reverse("apps:bin", args=[owner.name]),
    }
    return answers.form_page(request, "apps/form.html", context)


@change
@login_required
def empty(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """Delete its volumes and forget it, once the name was typed."""
    owner = opened(request, tenant, "app.remove")
    found = _binned(owner, pk)
    form = NameConfirmation(request.POST or None, expected=found.app.name)
    if request.method == "POST" and form.is_valid():
        try:
            made = bins.empty_bin(workload=found, by=request.user, confirm_name=form.cleaned_data["name"])
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("operations:detail", made.operation_id)
    context = {
        "tenant": owner,
        "form": form,
        "title": _("Delete %(name)s for good?") % {"name": found.app.name},
        "what": _("Its volumes are deleted with their data. There is no way back. Type %(name)s to confirm.")
        % {"name": found.app.name},
        "submit": _("Delete for good"),
        "is_danger": True,
        "back": reverse("apps:bin", args=[owner.name]),
    }
    return answers.form_page(request, "apps/form.html", context)


def _binned(owner: Tenant, pk: int) -> Workload:
    return get_object_or_404(binned(owner), pk=pk)
