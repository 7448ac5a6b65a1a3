"""The page an invitation's mail leads to: joining, with the account one has or with a new one.

A link that opens nothing is answered the same, whatever the reason: unknown, expired, revoked, used.
"""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from kcloud_site.tenants.errors import InvitationGone, TenantError
from kcloud_site.tenants.forms import refusals
from kcloud_site.tenants.forms.members import NewAccount
from kcloud_site.tenants.models import Invitation, Membership, User
from kcloud_site.tenants.services import invitations
from kcloud_site.tenants.views import answers


@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Looking changes nothing: mail programs look at links too. Joining is a form."""
    try:
        invitation = invitations.find_open(token)
        if request.user.is_authenticated:
            return _for_signed_in(request, token, invitation)
        return _for_stranger(request, token, invitation)
    except InvitationGone:
        return render(request, "tenants/accept_gone.html", status=404)


def _for_signed_in(request: HttpRequest, token: str, invitation: Invitation) -> HttpResponse:
    error = ""
    if request.method == "POST":
        try:
            return _welcome(
                request, invitations.accept_invitation(token=token, user=cast(User, request.user))
            )
        except InvitationGone:
            raise
        except TenantError as refused:
            error = str(refused)
    return _page(request, invitation, {"error": error}, refused=bool(error))


def _for_stranger(request: HttpRequest, token: str, invitation: Invitation) -> HttpResponse:
    form = NewAccount(request.POST or None)
    if form.is_bound and form.is_valid():
        chosen = form.cleaned_data
        try:
            member = invitations.accept_as_new_person(
                token=token,
                username=chosen["username"],
                password=chosen["password"],
                first_name=chosen["full_name"],
            )
        except InvitationGone:
            raise
        except TenantError as error:
            refusals.show(form, error)
        else:
            login(request, member.user, backend=settings.AUTHENTICATION_BACKENDS[0])
            return _welcome(request, member)
    return _page(request, invitation, {"form": form}, refused=form.is_bound)


def _page(
    request: HttpRequest, invitation: Invitation, context: dict[str, Any], *, refused: bool
) -> HttpResponse:
    said = {"invitation": invitation, "tenant": invitation.tenant, **context}
    return render(request, "tenants/accept.html", said, status=422 if refused else 200)


def _welcome(request: HttpRequest, member: Membership) -> HttpResponse:
    messages.success(request, _("Welcome to %(tenant)s.") % {"tenant": member.tenant})
    return answers.see("tenants:detail", member.tenant.name)
