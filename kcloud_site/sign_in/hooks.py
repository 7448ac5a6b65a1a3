"""What the sign-in library asks us at each step: its adapters, one for each of its parts.

Nobody signs themselves up: people come by invitation, by an operator, or from the company's provider.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.userkit import filter_users_by_email
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from kcloud_site.audit import chain
from kcloud_site.sign_in import services
from kcloud_site.sign_in.addresses import address_of
from kcloud_site.sign_in.errors import TooManyTries
from kcloud_site.tenants.encryption import seal, unseal
from kcloud_site.tenants.models import User

_log = logging.getLogger(__name__)

_NOT_RIGHT = _("Name or password is not right.")
# Of the library's messages the ones that say something the next page does not.
_SAID = {
    "account/messages/password_changed.txt": _("Password changed. Other sessions of yours are signed out."),
    "mfa/messages/totp_activated.txt": _(
        "The authenticator app is set up: the next sign-in asks for its code."
    ),
    "mfa/messages/totp_deactivated.txt": _("The authenticator app is removed."),
    "mfa/messages/recovery_codes_generated.txt": _("Recovery codes are made; earlier ones are void."),
    "mfa/messages/webauthn_added.txt": _("The passkey is added."),
    "mfa/messages/webauthn_removed.txt": _("The passkey is removed."),
}


def name_in(credentials: dict[str, Any]) -> str:
    """What was typed as the name, whichever it was taken for."""
    return str(credentials.get("username") or credentials.get("email") or "")


class AccountHooks(DefaultAccountAdapter):
    """Passwords, sessions, mails."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": _NOT_RIGHT,
        "email_password_mismatch": _NOT_RIGHT,
        "incorrect_password": _("This is not your password."),
        "enter_current_password": _("This is not your present password."),
    }

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            services.begin_try(name=name_in(credentials), address=address_of(request), now=timezone.now())
        except TooManyTries as refusal:
            raise ValidationError(str(refusal)) from refusal

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user:
            services.forget_failures(name=name_in(credentials), address=address_of(request))
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        name = name_in(credentials)
        services.note_failure(
            name=name,
            address=address_of(request),
            user=User.objects.filter(username__iexact=name).first(),
            now=timezone.now(),
            what="password",
        )

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        services.note(
            by=None, action="user.sign_in_refused", user=user, address=address_of(request), wrong="account"
        )
        return super().respond_user_inactive(request, user)

    def set_password(self, user: Any, password: str) -> None:
        user.must_change_password = False
        super().set_password(user, password)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return self.get_login_redirect_url(request)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        # Who came from the provider and has no factor here yet has nothing to prove themselves by.
        methods = self.get_reauthentication_methods(self.request.user)
        return bool(methods) and super().is_reauthentication_required(app=app, **kwargs)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        words = {
            "reauthenticate": _("Use your password"),
            "mfa_reauthenticate": _("Use a code"),
            "mfa_reauthenticate:webauthn": _("Use a passkey"),
        }
        methods = super().get_reauthentication_methods(user)
        return [{**method, "description": words[method["id"]]} for method in methods if method["id"] in words]

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Say only what we have words for; a text of its own passes."""
        text = message or _SAID.get(message_template or "")
        if text:
            messages.add_message(request, level, text)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """In the receiver's language where it is known. Raises OSError when the mail server is away."""
        user = context.get("user")
        with translation.override(getattr(user, "language", "") or translation.get_language()):
            super().send_mail(template_prefix, email, context)


class SecondFactorHooks(DefaultMFAAdapter):
    """Secrets of authenticator apps and recovery codes are sealed under the portal's master key."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": _(
            "This code is not right. Codes change every 30 seconds and are good for one use."
        ),
        "cannot_generate_recovery_codes": _("Set up an authenticator app or a passkey first."),
    }
    IDENTITY = "mfa.Authenticator"

    def encrypt(self, text: str) -> str:
        return base64.b64encode(seal(text.encode(), identity=self.IDENTITY)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(base64.b64decode(encrypted_text), identity=self.IDENTITY).decode()

    def generate_authenticator_name(self, user: Any, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user=user, type=type).count()
        return gettext("Passkey %(number)d") % {"number": count + 1}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": settings.MFA_TOTP_ISSUER}


class CompanyHooks(DefaultSocialAccountAdapter):
    """People of the company's OpenID provider. Whoever is new gets an account that may see nothing yet."""

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """From the settings only: what is in the database is nobody's configuration."""
        from allauth.socialaccount.adapter import _build_apps_from_settings

        found = _build_apps_from_settings(provider=provider, client_id=client_id)
        return [app for apps in found.values() for app in apps]

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> Any:
        """Bind the identity to its issuer, and believe no address the issuer has not verified."""
        # Names are what people wrote of themselves: no NUL reaches the database.
        claims = sociallogin.account.extra_data = chain.plain(sociallogin.account.extra_data)
        data = {key: chain.clean(value) if isinstance(value, str) else value for key, value in data.items()}
        token, info = claims.get("id_token", {}), claims.get("userinfo", {})
        if not token.get("iss") or info.get("sub", token.get("sub")) != token.get("sub"):
            self._refuse(request, sociallogin.provider, "the provider's answers are about different people")
        # Another issuer may use the same subjects for other people.
        identity = f"{token['iss']}\n{token['sub']}"
        sociallogin.account.uid = hashlib.sha256(identity.encode()).hexdigest()
        sociallogin.email_addresses = [address for address in sociallogin.email_addresses if address.verified]
        if not sociallogin.email_addresses:
            data = {**data, "email": ""}
        return super().populate_user(request, sociallogin, data)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """An address that has an account already, which may not be opened by it: say so instead of a second account."""
        if sociallogin.is_existing:
            return
        if any(filter_users_by_email(address.email) for address in sociallogin.email_addresses):
            taken = render(request, "socialaccount/address_taken.html", status=403)
            services.note_company_failure(why="the address has an account, which it may not open")
            raise ImmediateHttpResponse(taken)

    def authenticate_by_email(self, sociallogin: SocialLogin) -> Any:
        """The one account with the verified address; where several have it, none is guessed."""
        addresses = [address.email for address in sociallogin.email_addresses]
        if len({user.pk for address in addresses for user in filter_users_by_email(address)}) > 1:
            return None
        return super().authenticate_by_email(sociallogin)

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, error: Any = None, exception: Any = None, **more: Any
    ) -> None:
        self._refuse(request, provider, f"{error} {exception or ''}".strip())

    def _refuse(self, request: HttpRequest, provider: Any, why: str) -> None:
        """End the flow with a page that says what to do; the reason is for the trail, not for the person."""
        _log.warning("Sign-in by the company account failed: %s", why)
        services.note_company_failure(why=why)
        raise ImmediateHttpResponse(render(request, "socialaccount/failed.html", status=401))
