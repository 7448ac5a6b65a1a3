"""Deployments that were asked for: the list, one of them, asking (from the preview), and deciding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.forms.approvals import AskForm, DecisionForm
from apps.models import DeploymentRequest
from apps.selectors import approvals as reading
from apps.selectors.workloads import right_to_change
from apps.services import approvals as services
from apps.views.deploying import chosen_in, form_page, opened_place, place_form
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.views import answers
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants import permissions
from kcloud_site.tenants.views.answers import opened

ROWS_A_PAGE = 25
# The states of requests in the words of the status vocabulary.
STATES = {
    "open": "approval",
    "scheduled": "pending",
    "deployed": "succeeded",
    "declined": "cancelled",
    "withdrawn": "cancelled",
    "failed": "failed",
}


@require_safe
@login_required
def request_list(request: HttpRequest, tenant: str) -> HttpResponse:
    """What waits for somebody first, then the rest, newest first."""
    owner = opened(request, tenant, "app.view")
    rows = reading.requests_of(owner)
    ended = rows.exclude(state__in=reading.WAITING)
    page = Paginator(ended, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "tenant": owner,
        "waiting": [line(each) for each in rows.filter(state__in=reading.WAITING)[:100]],
        "page": page,
        "ended": [line(each) for each in page],
    }
    return render(request, "apps/approvals.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, tenant: str, app: str, environment: str, pk: int) -> HttpResponse:
    """What was asked for, why, who may decide, and what became of it."""
    return _page(request, _found(request, tenant, app, environment, pk))


@require_POST
@login_required
def ask(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """From the preview: ask somebody, or, with "schedule", have it deployed at an hour."""
    place = opened_place(request, tenant, app, environment)
    form, asked = place_form(place, request.POST), AskForm(request.POST)
    schedules = "schedule" in request.POST
    if schedules:
        permissions.check(request.user, right_to_change(place.environment), place.environment)
    if form.is_valid() and asked.is_valid():
        service: Callable[..., DeploymentRequest] = services.schedule if schedules else services.ask
        try:
            made = service(
                app=place.app,
                environment=place.environment,
                by=request.user,
                **chosen_in(form),
                **asked.cleaned_data,
            )
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("apps:approval", tenant, app, environment, made.pk)
    for errors in asked.errors.values():
        form.add_error(None, list(errors))
    return form_page(request, place, form)


@require_POST
@login_required
def decide(
    request: HttpRequest, tenant: str, app: str, environment: str, pk: int, action: str
) -> HttpResponse:
    """Approve, decline, withdraw."""
    found = _found(request, tenant, app, environment, pk, "deployment.run")
    does: dict[str, tuple[Callable[..., DeploymentRequest], str]] = {
        "approve": (services.approve, _("The deployment is approved.")),
        "decline": (services.decline, _("The deployment is declined.")),
        "withdraw": (services.withdraw, _("The deployment is withdrawn.")),
    }
    if action not in does:
        raise Http404
    if action != "withdraw":
        permissions.check(request.user, right_to_change(found.environment), found.environment)
    service, said = does[action]
    form = DecisionForm(request.POST)
    if not form.is_valid():
        return _page(request, found, form)
    try:
        done = service(request=found, by=request.user, reason=form.cleaned_data["reason"])
    except (ClusterError, SubjectBusy) as refused:
        found.refresh_from_db()
        form.add_error(None, str(refused))
        return _page(request, found, form)
    messages.success(request, said)
    if done.deployment is not None:
        return answers.see("apps:deployment", tenant, app, environment, done.deployment.number)
    return answers.see("apps:approval", tenant, app, environment, pk)


def line(each: DeploymentRequest) -> dict[str, Any]:
    """One request for a list: the row, its word of the vocabulary, its address."""
    names = [each.tenant.name, each.app.name, each.environment.name, each.pk]
    return {"row": each, "key": STATES[each.state], "url": reverse("apps:approval", args=names)}


def _found(
    request: HttpRequest, tenant: str, app: str, environment: str, pk: int, right: str = "app.view"
) -> DeploymentRequest:
    owner = opened(request, tenant, right)
    rows = reading.requests_of(owner).filter(app__name=app, environment__name=environment)
    return get_object_or_404(rows, pk=pk)


def _page(request: HttpRequest, found: DeploymentRequest, form: DecisionForm | None = None) -> HttpResponse:
    names = [found.tenant.name, found.app.name, found.environment.name]
    is_open, is_own = found.state == "open", found.requested_by_id == request.user.pk
    may_deploy = permissions.may(request.user, right_to_change(found.environment), found.environment)
    chosen = {"release": found.release.number, "replicas": found.replicas, **found.strategy}
    chosen["config_revision"] = found.config_revision
    query = {key: value for key, value in chosen.items() if value is not None and key != "automatic_return"}
    context = {
        "tenant": found.tenant,
        "app": found.app,
        "place": found.environment,
        "asked": found,
        "key": STATES[found.state],
        "form": form or DecisionForm(),
        "may_decide": is_open and may_deploy and not is_own,
        "waits_for_other": is_open and is_own,
        "may_withdraw": found.state in reading.WAITING and (is_own or may_deploy),
        "preview_url": f"{reverse('apps:preview', args=names)}?{urlencode(query)}"
        if permissions.may(request.user, "deployment.run", found.environment)
        else "",
        "is_past": found.deploy_at is not None and found.deploy_at <= timezone.now(),
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "apps/approval.html", context, status=status)
