"""What people do with a request: approve, decline, withdraw, apply again, comment. Each calls one service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from clusters.errors import ClusterError
from clusters.forms.requests import CommentForm, DecisionForm, DeclineForm
from clusters.models import TenantRequest
from clusters.services import applying, requests
from clusters.views import answers
from clusters.views.requests import one, page
from kcloud_site.tenants import permissions


@require_POST
@login_required
def approve(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    found = one(request, tenant, pk, "request.decide")
    form = DecisionForm(request.POST, auto_id="approve_%s")
    return _act(request, found, form, "decision_form", requests.approve, _("Approved."))


@require_POST
@login_required
def decline(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    found = one(request, tenant, pk, "request.decide")
    form = DeclineForm(request.POST, auto_id="decline_%s")
    return _act(request, found, form, "decline_form", requests.decline, _("Declined."))


@require_POST
@login_required
def withdraw(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """By whoever asked, or an owner of the tenant."""
    found = one(request, tenant, pk, "request.create")
    if found.requested_by_id != request.user.pk:
        permissions.check(request.user, "tenant.edit", found)
    return _act(request, found, None, "", requests.withdraw, _("Withdrawn."))


@require_POST
@login_required
def apply(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """Do again what was approved and failed."""
    found = one(request, tenant, pk, "request.decide")
    return _act(request, found, None, "", applying.apply, _("Applied again."))


@require_POST
@login_required
def comment(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    found = one(request, tenant, pk, "request.create")
    return _act(request, found, CommentForm(request.POST), "comment_form", requests.comment, "")


def _act(
    request: HttpRequest,
    found: TenantRequest,
    form: forms.Form | None,
    form_name: str,
    service: Callable[..., Any],
    done: str,
) -> HttpResponse:
    """Call the service with what the form holds; 422 shows the form again, 409 says why it could not be."""
    if form is not None and not form.is_valid():
        return page(request, found, **{form_name: form})
    try:
        service(request=found, by=request.user, **(form.cleaned_data if form else {}))
    except ClusterError as refused:
        found.refresh_from_db()
        return page(request, found, problem=refused)
    if done and found.state != TenantRequest.State.FAILED:
        messages.success(request, done)
    return answers.see("clusters:request", found.tenant.name, found.pk)
