"""Pages of a tenant's exceptions: one person, one right, one object, until a date."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kcloud_site.tenants import selectors
from kcloud_site.tenants.forms.members import NewGrant
from kcloud_site.tenants.models import Grant
from kcloud_site.tenants.roles import RIGHTS
from kcloud_site.tenants.services import grants
from kcloud_site.tenants.views import answers

ROWS_A_PAGE = 25


@require_safe
@login_required
def grant_list(request: HttpRequest, name: str) -> HttpResponse:
    """Everybody of the tenant sees who has which exception, until when and why."""
    tenant = answers.opened(request, name)
    page = Paginator(selectors.grants_in(tenant), ROWS_A_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    for grant in page:
        grant.right_title = RIGHTS.get(grant.permission, grant.permission)  # type: ignore[attr-defined]
        grant.in_force = grant.ended_at is None and grant.expires_at > now  # type: ignore[attr-defined]
    return answers.tenant_page(request, "tenants/grants.html", tenant, "grants", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def create(request: HttpRequest, name: str) -> HttpResponse:
    tenant = answers.opened(request, name, "member.manage")
    things = selectors.grantable_things(tenant)
    form = NewGrant(
        request.POST or None,
        members=selectors.members_of(tenant),
        things=things,
        initial={"user": request.GET.get("user", "")},
    )
    if answers.taken(form, lambda: grants.grant_right(tenant=tenant, **form.cleaned_data, by=request.user)):
        messages.success(
            request,
            _("%(user)s has the exception now.") % {"user": form.cleaned_data["user"].display_name},
        )
        return answers.see("tenants:grants", name)
    context = {"form": form, "has_things": bool(things)}
    return answers.tenant_page(request, "tenants/grant_create.html", tenant, "grants", context)


@require_POST
@login_required
def end(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """Take an exception back before its time."""
    tenant = answers.opened(request, name, "member.manage")
    grant = get_object_or_404(Grant.objects.select_related("user"), tenant=tenant, pk=pk)
    grants.end_grant(grant=grant, by=request.user)
    messages.success(request, _("The exception of %(user)s has ended.") % {"user": grant.user.display_name})
    return answers.see("tenants:grants", name)
