"""Pages of a tenant's members: who is in it, as what, and how that changes."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from kcloud_site.tenants import permissions, selectors
from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.forms.members import AddMember, ChangeRole, MemberFilter
from kcloud_site.tenants.models import Membership, Tenant
from kcloud_site.tenants.services import members
from kcloud_site.tenants.views import answers

ROWS_A_PAGE = 25
change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def member_list(request: HttpRequest, name: str) -> HttpResponse:
    """Members and quota: the quota is a panel of the app that owns it."""
    tenant = answers.opened(request, name)
    form = MemberFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    found = selectors.members_of(tenant, text=chosen.get("q", ""), role=chosen.get("role", ""))
    context = {
        "filter": form,
        "is_filtered": any(chosen.values()),
        "page": Paginator(found, ROWS_A_PAGE).get_page(request.GET.get("page")),
        "by_role": selectors.members_by_role(tenant),
        "may_see_quota": permissions.may(request.user, "quota.view", tenant),
    }
    return answers.tenant_page(request, "tenants/members.html", tenant, "members", context)


@change
@login_required
def add(request: HttpRequest, name: str) -> HttpResponse:
    """Add somebody by name: for the platform's operators, because the answer says who has an account."""
    tenant = answers.opened(request, name, "platform.operate")
    form = AddMember(request.POST or None)
    if answers.taken(form, lambda: members.add_member(tenant=tenant, **form.cleaned_data, by=request.user)):
        messages.success(
            request,
            _("%(user)s is a member now.") % {"user": form.cleaned_data["user"].display_name},
        )
        return answers.see("tenants:members", name)
    return answers.tenant_page(request, "tenants/member_add.html", tenant, "members", {"form": form})


@change
@login_required
def member(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """One member: the role, the exceptions, and the way out."""
    tenant = answers.opened(request, name, "member.manage")
    found = _member(tenant, pk)
    form = ChangeRole(request.POST or None, initial={"role": found.role})
    if answers.taken(form, lambda: members.change_role(member=found, **form.cleaned_data, by=request.user)):
        messages.success(
            request,
            _("%(user)s is %(role)s now.")
            % {"user": found.user.display_name, "role": found.get_role_display()},
        )
        return answers.see("tenants:members", name)
    # What was refused must not stand in the page as if it were so.
    found = _member(tenant, pk)
    context = {"form": form, "member": found, "grants": list(selectors.open_grants_of(found))}
    return answers.tenant_page(request, "tenants/member.html", tenant, "members", context)


@change
@login_required
def remove(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Type the person's name: the membership and its exceptions end."""
    tenant = answers.opened(request, name, "member.manage")
    found = _member(tenant, pk)
    form = NameConfirmation(request.POST or None, expected=found.user.get_username())
    if answers.taken(form, lambda: members.remove_member(member=found, by=request.user)):
        messages.success(request, _("%(user)s is no member any more.") % {"user": found.user.display_name})
        # Whoever shut the door behind the own back cannot look at the list any more.
        left = found.user == request.user and permissions.platform_role(request.user) is None
        return answers.see("overview") if left else answers.see("tenants:members", name)
    context = {"form": form, "member": found}
    return answers.tenant_page(request, "tenants/member_remove.html", tenant, "members", context)


def _member(tenant: Tenant, pk: int) -> Membership:
    return get_object_or_404(Membership.objects.select_related("user", "tenant"), tenant=tenant, pk=pk)
