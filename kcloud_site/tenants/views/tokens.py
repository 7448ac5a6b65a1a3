"""The page of one's own API tokens: a list, a new one whose secret is shown once, and revoking."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from kcloud_site.tenants import permissions
from kcloud_site.tenants.errors import TokenRefused
from kcloud_site.tenants.forms.tokens import TokenForm
from kcloud_site.tenants.models import ApiToken, User
from kcloud_site.tenants.services import tokens


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def token_list(request: HttpRequest) -> HttpResponse:
    """The tokens; POST makes one. Its secret is in that answer and nowhere else, so there is no redirect."""
    permissions.check_anywhere(request.user, "token.create")
    form = TokenForm(request.POST or None, user=request.user)
    secret = ""
    if request.method == "POST" and form.is_valid():
        secret = _make(request, form)
        if secret:
            form = TokenForm(user=request.user)
    now = timezone.now()
    mine = ApiToken.objects.filter(user=cast(User, request.user)).select_related("tenant")
    context: dict[str, Any] = {
        "form": form,
        "secret": secret,
        "tokens": [(token, token.has_expired(now)) for token in mine],
    }
    return render(request, "tenants/tokens.html", context, status=422 if form.errors else 200)


def _make(request: HttpRequest, form: TokenForm) -> str:
    """The secret of the new token; empty when the form now says why there is none."""
    person, chosen = cast(User, request.user), form.cleaned_data
    try:
        _made, secret = tokens.create_token(
            user=person,
            name=chosen["name"],
            tenant=chosen["tenant"],
            role=chosen["role"],
            expires_at=form.expires_at(),
            by=person,
        )
    except TokenRefused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, str(refused))
        return ""
    return secret


@require_POST
@login_required
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End a token of one's own now."""
    permissions.check_anywhere(request.user, "token.create")
    token = get_object_or_404(ApiToken, pk=pk, user=cast(User, request.user))
    tokens.revoke_token(token=token, by=request.user)
    messages.success(request, _("The token %(name)s opens nothing any more.") % {"name": token.name})
    response = redirect("tokens")
    response.status_code = 303
    return response
