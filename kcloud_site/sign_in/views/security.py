"""What protects a person's account: second factors, recovery codes, and proving again who one is."""

from __future__ import annotations

from typing import Any, cast

from allauth.account.views import ReauthenticateView
from allauth.mfa.base.views import ReauthenticateView as ReauthenticateByCodeView
from allauth.mfa.recovery_codes.views import (
    DownloadRecoveryCodesView,
    GenerateRecoveryCodesView,
    ViewRecoveryCodesView,
)
from allauth.mfa.totp.views import ActivateTOTPView, DeactivateTOTPView
from allauth.mfa.webauthn.views import (
    AddWebAuthnView,
    EditWebAuthnView,
    ReauthenticateWebAuthnView,
    RemoveWebAuthnView,
)
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.views.decorators.http import require_safe

from kcloud_site.sign_in import selectors, services
from kcloud_site.sign_in.clients import passkeys_work
from kcloud_site.sign_in.forms import AgainCodeForm, AgainForm, AppForm, PasskeyForm, PasskeyNameForm
from kcloud_site.sign_in.views.answers import FormAnswers
from kcloud_site.tenants.models import User


@require_safe
@login_required
def security(request: HttpRequest) -> HttpResponse:
    """Password, second factors, recovery codes and sessions of the person."""
    user = cast(User, request.user)
    context = {
        "factors": selectors.factors_of(user),
        "session_count": selectors.sessions_of(user).count(),
        "passkeys": passkeys_work(request.get_host(), is_secure=request.is_secure()),
        "must_add": selectors.must_add_second_factor(user),
    }
    return render(request, "mfa/index.html", context)


class Again(FormAnswers, ReauthenticateView):
    form_class = AgainForm


class AgainByCode(FormAnswers, ReauthenticateByCodeView):
    form_class = AgainCodeForm


class AgainByPasskey(FormAnswers, ReauthenticateWebAuthnView):
    """A passkey that is not right leads to the password page with the reason."""


class Recorded(FormAnswers):
    """A change of what protects the account, and its audit event, together or not at all."""

    action = ""
    kind = ""

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            user = cast(User, self.request.user)  # type: ignore[attr-defined]
            services.note(by=user, action=self.action, kind=self.kind)
        return response


class _OrSecurity:
    """What is not there cannot be shown or removed: back to where it is made."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        except Http404:
            return redirect("mfa_index")


class AddApp(Recorded, ActivateTOTPView):
    form_class = AppForm
    action, kind = "user.factor_add", "app"


class RemoveApp(_OrSecurity, Recorded, DeactivateTOTPView):
    action, kind = "user.factor_remove", "app"


class AddPasskey(Recorded, AddWebAuthnView):
    form_class = PasskeyForm
    action, kind = "user.factor_add", "passkey"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_person = request.user.is_authenticated
        if is_person and not passkeys_work(request.get_host(), is_secure=request.is_secure()):
            return redirect("mfa_index")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        # The library's view forgets the form that was refused.
        return {**super().get_context_data(**kwargs), **kwargs}


class RemovePasskey(Recorded, RemoveWebAuthnView):
    success_url = reverse_lazy("mfa_index")
    action, kind = "user.factor_remove", "passkey"


class RenamePasskey(FormAnswers, EditWebAuthnView):
    form_class = PasskeyNameForm
    success_url = reverse_lazy("mfa_index")


class NewRecoveryCodes(Recorded, GenerateRecoveryCodesView):
    action, kind = "user.recovery_codes_renew", "recovery codes"


class RecoveryCodes(_OrSecurity, ViewRecoveryCodesView):
    pass


class RecoveryCodesFile(_OrSecurity, DownloadRecoveryCodesView):
    pass
