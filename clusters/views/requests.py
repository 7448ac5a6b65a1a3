"""Pages of requests: a tenant's, the operators' queue, one request, and the forms that ask."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.forms.requests import (
    AmountForm,
    CommentForm,
    DecisionForm,
    DeclineForm,
    EnvironmentRequestForm,
    LoanForm,
    RequestFilter,
)
from clusters.models import TenantRequest
from clusters.selectors import quotas as quota_reading
from clusters.selectors import request_texts as texts
from clusters.selectors import requests as reading
from clusters.selectors.resource_texts import amounts
from clusters.services import requests
from clusters.views import answers
from clusters.views.environments import tenant_of
from kcloud_site.tenants import permissions
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.views.answers import tabs

ROWS_A_PAGE, ROWS_OF_A_PANEL = 25, 5
Kind, State = TenantRequest.Kind, TenantRequest.State
change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def queue(request: HttpRequest) -> HttpResponse:
    """Requests of every tenant, for whoever decides on them."""
    permissions.check(request.user, "platform.view")
    return _list(request, {})


@require_safe
@login_required
def any_request(request: HttpRequest, pk: int) -> HttpResponse:
    """A request by its number alone leads to its page."""
    permissions.check(request.user, "platform.view")
    found = get_object_or_404(TenantRequest.objects.select_related("tenant"), pk=pk)
    return redirect("clusters:request", found.tenant.name, pk)


@require_safe
@login_required
def of_tenant(request: HttpRequest, tenant: str) -> HttpResponse:
    owner = tenant_of(request, tenant, "request.view")
    return _list(request, {**tabs(request, owner, "requests"), "may_ask": _may_ask(request, owner)})


@require_safe
@login_required
def panel(request: HttpRequest, tenant: str) -> HttpResponse:
    """A card with the tenant's newest requests, for its home."""
    owner = tenant_of(request, tenant, "request.view")
    rows = reading.requests_for(request.user, tenant=owner)
    context = {
        "tenant": owner,
        "rows": [reading.line(row) for row in rows[:ROWS_OF_A_PANEL]],
        "total": rows.count(),
        "may_ask": _may_ask(request, owner),
    }
    return render(request, "clusters/requests_panel.html", context)


@require_safe
@login_required
def ask(request: HttpRequest, tenant: str) -> HttpResponse:
    """What can be asked for."""
    owner = tenant_of(request, tenant, "request.create")
    free = amounts(quota_reading.standing(owner).free.floored())
    return render(request, "clusters/request_ask.html", {"tenant": owner, "free": free})


_FORMS: dict[str, type[AmountForm]] = {
    Kind.ENVIRONMENT: EnvironmentRequestForm,
    Kind.QUOTA: AmountForm,
    Kind.LOAN: LoanForm,
}


@change
@login_required
def ask_for(request: HttpRequest, tenant: str, kind: str) -> HttpResponse:
    """The form of one kind of request."""
    owner = tenant_of(request, tenant, "request.create")
    if kind not in _FORMS:
        raise Http404
    form = _FORMS[kind](request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = _ask(request, owner, kind, form)
        except ClusterError as refused:
            refusals.show(form, refused)
        except TenantError as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("Asked. You are told when it is decided."))
            return answers.see("clusters:request", owner.name, made.pk)
    titles = {
        Kind.ENVIRONMENT: _("Ask for an environment"),
        Kind.QUOTA: _("Ask for quota"),
        Kind.LOAN: _("Borrow quota"),
    }
    hints = {
        Kind.ENVIRONMENT: _("It is made as soon as a platform operator has approved it."),
        Kind.QUOTA: _("Say by how much more the tenant's total should be, for good."),
        Kind.LOAN: _("Say how much more is needed until when. It returns by itself."),
    }
    context = {
        "form": form,
        "tenant": owner,
        "title": titles[Kind(kind)],
        "what": hints[Kind(kind)],
        "submit": _("Ask"),
        "back": reverse("clusters:requests", args=[owner.name]),
        "crumb": (reverse("clusters:requests", args=[owner.name]), _("Requests")),
        "free": amounts(quota_reading.standing(owner).free.floored()),
    }
    return answers.form_page(request, "clusters/quota_form.html", context)


def _ask(request: HttpRequest, owner: Any, kind: str, form: Any) -> TenantRequest:
    given: dict[str, Any] = {"tenant": owner, "reason": form.cleaned_data["reason"], "by": request.user}
    given["address"] = lambda pk: request.build_absolute_uri(
        reverse("clusters:request", args=[owner.name, pk])
    )
    if kind == Kind.ENVIRONMENT:
        place = {key: form.cleaned_data[key] for key in ("name", "stage", "cluster")}
        return requests.ask_for_environment(share=form.amount, **place, **given)
    if kind == Kind.LOAN:
        return requests.ask_for_loan(amount=form.amount, until=form.until_at, **given)
    return requests.ask_for_quota(amount=form.amount, **given)


@require_safe
@login_required
def detail(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    return page(request, one(request, tenant, pk, "request.view"))


def one(request: HttpRequest, tenant: str, pk: int, right: str) -> TenantRequest:
    """The request, for whoever has the right in its tenant; to outsiders it is not there."""
    rows = TenantRequest.objects.select_related("tenant", "operation", "requested_by")
    found = get_object_or_404(rows, tenant__name=tenant, pk=pk)
    permissions.check(request.user, right, found)
    return found


def page(request: HttpRequest, found: TenantRequest, **refused: Any) -> HttpResponse:
    """The page of a request. `refused`: the form (comment, decision or decline) to show again, with 422; or
    `problem`, why something could not be done, with 409."""
    user = request.user
    may_decide = permissions.may(user, "request.decide", found)
    own = found.requested_by_id == user.pk
    context = {
        "asked": found,
        "tenant": found.tenant,
        "line": reading.line(found),
        "next": texts.next_of(found),
        "consequences": reading.consequences(found),
        "comments": found.comments.all(),
        "may_decide": may_decide and found.state == State.OPEN,
        "may_apply": may_decide and _is_appliable(found),
        "may_withdraw": found.state == State.OPEN and (own or permissions.may(user, "tenant.edit", found)),
        "may_comment": permissions.may(user, "request.create", found),
        "comment_form": CommentForm(),
        "decision_form": DecisionForm(auto_id="approve_%s"),
        "decline_form": DeclineForm(auto_id="decline_%s"),
        **refused,
    }
    status = 409 if "problem" in refused else 422 if refused else 200
    return render(request, "clusters/request.html", context, status=status)


def _is_appliable(found: TenantRequest) -> bool:
    return found.state == State.FAILED or (found.state == State.APPROVED and found.operation_id is None)


def _may_ask(request: HttpRequest, owner: Any) -> bool:
    return owner.closed_at is None and permissions.may(request.user, "request.create", owner)


def _list(request: HttpRequest, scope: dict[str, Any]) -> HttpResponse:
    form = RequestFilter(request.GET)
    state = form.cleaned_data["state"] if form.is_valid() else ""
    rows = reading.requests_for(request.user, tenant=scope.get("tenant"), state=state)
    shown = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        **scope,
        "form": form,
        "page": shown,
        "rows": [reading.line(row) for row in shown],
        "is_filtered": bool(state),
        "counts": reading.counts(reading.requests_for(request.user, tenant=scope.get("tenant"))),
    }
    return render(request, "clusters/requests.html", context)
