"""Pages of tenants: the list, one tenant's home and settings, closing, and what each role may do."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kcloud_site.tenants import permissions, selectors
from kcloud_site.tenants.forms.tenants import Closing, NewTenant, TenantDescription, TenantFilter
from kcloud_site.tenants.services import tenants
from kcloud_site.tenants.views import answers

ROWS_A_PAGE = 25
change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def tenant_list(request: HttpRequest) -> HttpResponse:
    """The tenants the person is in; people of the platform see all."""
    form = TenantFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    found = selectors.tenants_for(request.user, text=chosen.get("q", ""), state=chosen.get("state", ""))
    page = Paginator(found, ROWS_A_PAGE).get_page(request.GET.get("page"))
    for tenant in page:
        tenant.role_title = selectors.role_title(request.user, tenant)
    context = {
        "form": form,
        "page": page,
        "is_filtered": any(chosen.values()),
        "may_operate": permissions.may(request.user, "platform.operate"),
    }
    return render(request, "tenants/list.html", context)


@require_safe
@login_required
def roles(request: HttpRequest) -> HttpResponse:
    """Who may do what."""
    found, rows = selectors.rights_table()
    return render(request, "tenants/roles.html", {"roles": found, "rows": rows})


@change
@login_required
def create(request: HttpRequest) -> HttpResponse:
    permissions.check(request.user, "platform.operate")
    form = NewTenant(request.POST or None)
    if answers.taken(form, lambda: tenants.create_tenant(**form.cleaned_data, by=request.user)):
        messages.success(
            request, _("Tenant %(name)s is there. Invite its owner.") % {"name": form.cleaned_data["name"]}
        )
        return answers.see("tenants:invite", form.cleaned_data["name"])
    return render(request, "tenants/create.html", {"form": form}, status=422 if form.errors else 200)


@require_safe
@login_required
def detail(request: HttpRequest, name: str) -> HttpResponse:
    """A tenant's home: its state, who is in it, and panels of what it owns."""
    tenant = answers.opened(request, name)
    by_role = selectors.members_by_role(tenant)
    context = {
        "by_role": by_role,
        "member_total": sum(count for _role, count in by_role),
        "owner_total": next(count for role, count in by_role if role.key == "owner"),
        "waiting": selectors.waiting_invitations(tenant),
        "role": selectors.role_title(request.user, tenant),
        "may_see_operations": permissions.may(request.user, "operation.view", tenant),
        "may_see_quota": permissions.may(request.user, "quota.view", tenant),
    }
    return answers.tenant_page(request, "tenants/detail.html", tenant, "home", context)


@change
@login_required
def settings(request: HttpRequest, name: str) -> HttpResponse:
    """What people read of the tenant, and the ways to close and reopen it."""
    tenant = answers.opened(request, name, "tenant.edit")
    said = {"title": tenant.title, "description": tenant.description, "contact": tenant.contact}
    form = TenantDescription(request.POST or None, initial=said)
    if answers.taken(
        form, lambda: tenants.describe_tenant(tenant=tenant, **form.cleaned_data, by=request.user)
    ):
        messages.success(request, _("Saved."))
        return answers.see("tenants:settings", name)
    return answers.tenant_page(request, "tenants/settings.html", tenant, "settings", {"form": form})


@change
@login_required
def close(request: HttpRequest, name: str) -> HttpResponse:
    """Type the name, say why: members are shut out."""
    tenant = answers.opened(request, name, "platform.operate")
    form = Closing(request.POST or None, expected=name)
    if answers.taken(
        form,
        lambda: tenants.close_tenant(tenant=tenant, by=request.user, reason=form.cleaned_data["reason"]),
    ):
        messages.success(request, _("Tenant %(name)s is closed.") % {"name": name})
        return answers.see("tenants:detail", name)
    return answers.tenant_page(request, "tenants/close.html", tenant, "settings", {"form": form})


@require_POST
@login_required
def reopen(request: HttpRequest, name: str) -> HttpResponse:
    """Undo of closing."""
    tenant = answers.opened(request, name, "platform.operate")
    tenants.reopen_tenant(tenant=tenant, by=request.user)
    messages.success(request, _("Tenant %(name)s is open again.") % {"name": name})
    return answers.see("tenants:detail", name)
