"""Taking over what runs already in an environment: what is there, what can be adopted, and doing it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from apps.selectors.workloads import right_to_change
from apps.services import adopting
from apps.views.imports import told_note
from clusters.errors import ClusterError
from clusters.models import Environment
from clusters.views import answers
from kcloud_site.tenants import permissions
from kcloud_site.tenants.views.answers import opened


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def adopt(request: HttpRequest, tenant: str, environment: str) -> HttpResponse:
    """Nothing on the cluster changes by it: no pod restarts."""
    owner = opened(request, tenant, "app.edit")
    place = get_object_or_404(
        Environment.objects.select_related("tenant", "cluster"), tenant=owner, name=environment
    )
    permissions.check(request.user, right_to_change(place), place)
    refusal = ""
    if request.method == "POST":
        try:
            made = adopting.adopt(environment=place, names=request.POST.getlist("names"), by=request.user)
        except ClusterError as error:
            refusal = str(error)
        else:
            text = ngettext(
                "%(count)d application was adopted.", "%(count)d applications were adopted.", len(made)
            )
            messages.success(request, text % {"count": len(made)})
            return answers.see("apps:list", owner.name)
    return render(request, "apps/adopt.html", _context(place, refusal), status=422 if refusal else 200)


def _context(place: Environment, refusal: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    unreachable = ""
    try:
        for each in adopting.found_in(place):
            rows.append({"found": each, "notes": [told_note(note) for note in each.candidate.notes]})
    except ClusterError as error:
        unreachable = str(error)
    return {
        "tenant": place.tenant,
        "place": place,
        "rows": rows,
        "refusal": refusal,
        "unreachable": unreachable,
        "title": _("Adopt what runs in %(name)s") % {"name": place.name},
        "back": reverse("clusters:environment", args=[place.tenant.name, place.name]),
    }
