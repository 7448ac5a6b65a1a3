"""What the pages of tenants begin and end with: the tenant a page is about, and the answer after a form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from kcloud_site.tenants import current, permissions
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.forms import refusals
from kcloud_site.tenants.models import Tenant


def opened(request: HttpRequest, name: str, right: str = "tenant.view") -> Tenant:
    """The tenant of the page, for whoever has the right on it; the person works in it from now on."""
    tenant = get_object_or_404(Tenant, name=name)
    permissions.check(request.user, right, tenant)
    current.remember(request, tenant)
    return tenant


def see(name: str, *args: Any) -> HttpResponse:
    """303 to a page: reloading it repeats nothing."""
    response = redirect(name, *args)
    response.status_code = 303
    return response


def taken(form: forms.BaseForm, act: Callable[[], object]) -> bool:
    """Whether a right form was also taken by the service; what it refused is marked in the form."""
    if not form.is_bound or not form.is_valid():
        return False
    try:
        act()
    except TenantError as error:
        refusals.show(form, error)
        return False
    return True


def tenant_page(
    request: HttpRequest, template: str, tenant: Tenant, tab: str, context: dict[str, Any]
) -> HttpResponse:
    """A page of a tenant below its tabs: 422 when its `form` was refused."""
    form = context.get("form")
    status = 422 if form is not None and form.is_bound and form.errors else 200
    context = {**tabs(request, tenant, tab), **context}
    return render(request, template, context, status=status)


def tabs(request: HttpRequest, tenant: Tenant, tab: str) -> dict[str, Any]:
    """What the tabs of a tenant ask for (tenants/tabs.html), also on pages of other apps that are one of them."""
    may = permissions.may
    return {
        "tenant": tenant,
        "tab": tab,
        "may_edit": may(request.user, "tenant.edit", tenant),
        "may_manage": may(request.user, "member.manage", tenant),
        "may_operate": may(request.user, "platform.operate"),
        "may_see_environments": may(request.user, "environment.view", tenant),
        "may_see_requests": may(request.user, "request.view", tenant),
        "may_see_webhooks": may(request.user, "webhook.view", tenant),
    }
