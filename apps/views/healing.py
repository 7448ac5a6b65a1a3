"""The Self-healing tab of a workload: decisions newest first, what waits for a person, and how far each rung may go."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.errors import AppError
from apps.forms.healing import ConsentForm
from apps.models import HealingDecision, Workload
from apps.selectors import healing as reading
from apps.services import healing
from apps.views.frame import opened_workload, workload_frame
from clusters.errors import ClusterError
from clusters.views.answers import see
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants import permissions


@require_safe
@login_required
def decisions(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What was decided, why, and what waits."""
    workload = opened_workload(request, tenant, app, environment)
    form = ConsentForm(modes=healing.consents_of(workload))
    return render(request, "apps/healing.html", _context(request, workload, form))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def consent(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """Choose how far each rung may go."""
    workload = opened_workload(request, tenant, app, environment, "healing.manage")
    form = ConsentForm(request.POST or None, modes=healing.consents_of(workload))
    if request.method == "POST" and form.is_valid():
        healing.set_consents(workload=workload, modes=form.cleaned_data, by=request.user)
        messages.success(request, _("The consents were saved."))
        return see("apps:healing", tenant, app, environment)
    status = 422 if form.errors else 200
    return render(request, "apps/healing.html", _context(request, workload, form), status=status)


@require_POST
@login_required
def decide(request: HttpRequest, tenant: str, app: str, environment: str, pk: int) -> HttpResponse:
    """Approve or decline a suggestion."""
    workload = opened_workload(request, tenant, app, environment, "healing.manage")
    decision = get_object_or_404(HealingDecision, workload=workload, pk=pk)
    act = healing.approve if "approve" in request.POST else healing.decline
    try:
        act(decision=decision, by=request.user)
    except (AppError, ClusterError, SubjectBusy) as error:
        messages.error(request, str(error))
    else:
        done = act is healing.approve
        messages.success(request, _("It is being done.") if done else _("It is not done."))
    return see("apps:healing", tenant, app, environment)


def _context(request: HttpRequest, workload: Workload, form: ConsentForm) -> dict[str, Any]:
    page = Paginator(reading.decisions_of(workload), reading.SHOWN).get_page(request.GET.get("page"))
    return {
        **workload_frame(request, workload, "healing"),
        "page": page,
        "decisions": [reading.shown(row) for row in page],
        "form": form,
        "may_manage": permissions.may(request.user, "healing.manage", workload),
    }
