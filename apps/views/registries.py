"""A tenant's credentials of other registries: the list, one more, another password, none any more."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.forms.registries import NewCredentialForm, replacing
from apps.models import RegistryCredential
from apps.services import registry_credentials as services
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
def registry_list(request: HttpRequest, tenant: str) -> HttpResponse:
    """Where the tenant signs in and as whom; whom it trusts, until when."""
    owner = opened(request, tenant, "image.view")
    rows = [(row, _ends_at(row)) for row in RegistryCredential.objects.filter(tenant=owner)]
    may_manage = permissions.may(request.user, services.RIGHT, owner)
    return render(request, "apps/registries.html", {"tenant": owner, "rows": rows, "may_manage": may_manage})


@change
@login_required
def add(request: HttpRequest, tenant: str) -> HttpResponse:
    """One more."""
    owner = opened(request, tenant, services.RIGHT)
    form = NewCredentialForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = services.add_credential(tenant=owner, by=request.user, **form.cleaned_data)
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return _done(request, owner, _("The credentials of %(host)s are kept.") % {"host": made.host})
    return _page(request, owner, form, _("Sign in at another registry"), _("Keep"))


@change
@login_required
def replace(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """Another name, password or authority."""
    owner = opened(request, tenant, services.RIGHT)
    found = get_object_or_404(RegistryCredential.objects.select_related("tenant"), tenant=owner, pk=pk)
    form = replacing(found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            services.replace_credential(credential=found, by=request.user, **form.cleaned_data)
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return _done(
                request, owner, _("The credentials of %(host)s are replaced.") % {"host": found.host}
            )
    title = _("Replace the credentials of %(host)s") % {"host": found.host}
    return _page(request, owner, form, title, _("Replace"))


@change
@login_required
def remove(request: HttpRequest, tenant: str, pk: int) -> HttpResponse:
    """Forget one, once the registry's name was typed."""
    owner = opened(request, tenant, services.RIGHT)
    found = get_object_or_404(RegistryCredential.objects.select_related("tenant"), tenant=owner, pk=pk)
    form = NameConfirmation(request.POST or None, expected=found.host)
    if request.method == "POST" and form.is_valid():
        services.remove_credential(credential=found, by=request.user)
        return _done(request, owner, _("The credentials of %(host)s are removed.") % {"host": found.host})
    what = _(
        "What runs goes on. Images that have to be pulled anew from there are asked for without a sign-in. "
        "Type %(name)s to confirm."
    ) % {"name": found.host}
    title = _("Remove the credentials of %(host)s?") % {"host": found.host}
    return _page(request, owner, form, title, _("Remove"), what=what, is_danger=True)


def _done(request: HttpRequest, tenant: Tenant, text: str) -> HttpResponse:
    messages.success(request, text)
    return answers.see("apps:registries", tenant.name)


def _page(
    request: HttpRequest, tenant: Tenant, form: Any, title: str, submit: str, **more: Any
) -> HttpResponse:
    back = reverse("apps:registries", args=[tenant.name])
    context = {"tenant": tenant, "form": form, "title": title, "submit": submit, "back": back, **more}
    return answers.form_page(request, "apps/form.html", context)


def _ends_at(row: RegistryCredential) -> Any:
    """When the first of its certificates ends."""
    if not row.authority:
        return None
    return min(each.not_valid_after_utc for each in services.certificates_of(row.authority))
