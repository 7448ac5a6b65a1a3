"""Pages of a tenant's invitations, for whoever manages its members."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from kcloud_site.tenants import selectors
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.forms.members import Invite
from kcloud_site.tenants.models import Invitation, Tenant
from kcloud_site.tenants.services import invitations
from kcloud_site.tenants.views import answers

ROWS_A_PAGE = 25


@require_safe
@login_required
def invitation_list(request: HttpRequest, name: str) -> HttpResponse:
    tenant = answers.opened(request, name, "member.manage")
    page = Paginator(selectors.invitations_to(tenant), ROWS_A_PAGE).get_page(request.GET.get("page"))
    now = timezone.now()
    for invitation in page:
        invitation.state = selectors.invitation_state(invitation, now)  # type: ignore[attr-defined]
    return answers.tenant_page(request, "tenants/invitations.html", tenant, "invitations", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def invite(request: HttpRequest, name: str) -> HttpResponse:
    """Ask somebody by mail. A mail that cannot be sent: the answer shows the link, this once."""
    tenant = answers.opened(request, name, "member.manage")
    form = Invite(request.POST or None, initial={"role": request.GET.get("role", "viewer")})
    sent: list[invitations.Sent] = []

    def act() -> None:
        sent.append(
            invitations.invite_person(
                tenant=tenant, **form.cleaned_data, by=request.user, address=_address(request)
            )
        )

    if answers.taken(form, act):
        return _sent(request, tenant, sent[0])
    return answers.tenant_page(request, "tenants/invite.html", tenant, "invitations", {"form": form})


@require_POST
@login_required
def resend(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    """A new link for another week."""
    tenant = answers.opened(request, name, "member.manage")
    invitation = _invitation(tenant, pk)
    try:
        sent = invitations.resend_invitation(
            invitation=invitation, by=request.user, address=_address(request)
        )
    except TenantError as error:
        messages.error(request, str(error))
        return answers.see("tenants:invitations", name)
    return _sent(request, tenant, sent)


@require_POST
@login_required
def revoke(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    tenant = answers.opened(request, name, "member.manage")
    invitation = _invitation(tenant, pk)
    try:
        invitations.revoke_invitation(invitation=invitation, by=request.user)
    except TenantError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The invitation of %(email)s is revoked.") % {"email": invitation.email})
    return answers.see("tenants:invitations", name)


def _invitation(tenant: Tenant, pk: int) -> Invitation:
    return get_object_or_404(Invitation.objects.select_related("tenant"), tenant=tenant, pk=pk)


def _address(request: HttpRequest) -> Callable[[str], str]:
    return lambda token: request.build_absolute_uri(reverse("tenants:accept", args=[token]))


def _sent(request: HttpRequest, tenant: Tenant, sent: invitations.Sent) -> HttpResponse:
    """Mailed: back to the list. Not mailed: the link, in this answer only (a session would keep it in the database)."""
    if not sent.why_not_mailed:
        messages.success(
            request, _("The invitation is on its way to %(email)s.") % {"email": sent.invitation.email}
        )
        return answers.see("tenants:invitations", tenant.name)
    return answers.tenant_page(request, "tenants/invited.html", tenant, "invitations", {"sent": sent})
