"""Signing in and out: by password, code, passkey or the company account."""

from __future__ import annotations

from typing import Any

from allauth.account.views import AccountInactiveView, LoginView, LogoutView
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.webauthn.views import LoginWebAuthnView
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from requests import RequestException

from kcloud_site.sign_in import services
from kcloud_site.sign_in.clients import passkeys_work
from kcloud_site.sign_in.forms import CodeForm, SignInForm
from kcloud_site.sign_in.views.answers import FormAnswers

COMPANY = "company"


class SignIn(FormAnswers, LoginView):
    form_class = SignInForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs,
            returns=self.get_next_url(),
            passkeys=passkeys_work(self.request.get_host(), is_secure=self.request.is_secure()),
            company=bool(settings.OIDC_ISSUER),
            company_name=settings.OIDC_NAME,
        )


class SignOut(LogoutView):
    http_method_names = ["post", "options"]


class SwitchedOff(AccountInactiveView):
    """The right password of an account that may not be used."""


class Code(FormAnswers, AuthenticateView):
    """The second factor, after the password or the company account."""

    form_class = CodeForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        has = {row.type for row in self.stage.login.user.authenticator_set.all()}
        return super().get_context_data(**kwargs) | {
            "has_app": "totp" in has,
            "has_passkey": "webauthn" in has,
        }


class ByPasskey(LoginWebAuthnView):
    """What the passkey button sends; the script asks the same address for the challenge."""


@require_safe
def company(request: HttpRequest) -> HttpResponse:
    """Go to the company's provider. Only to sign in: what a link can start must not link accounts."""
    if "process" in request.GET:
        raise Http404
    if not settings.OIDC_ISSUER:
        return redirect("login")
    try:
        return openid_connect.login(request, COMPANY)
    except (RequestException, KeyError, ValueError) as error:
        services.note_company_failure(why=f"the provider cannot be asked: {error}")
        return render(request, "socialaccount/failed.html", status=502)


@require_safe
def company_back(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The provider sends the person back here."""
    return openid_connect.callback(request, provider_id)
