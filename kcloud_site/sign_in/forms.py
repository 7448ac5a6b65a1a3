"""Forms of the door: name and password, codes, a new password."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import (
    ChangePasswordForm,
    LoginForm,
    ReauthenticateForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
)
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as ReauthenticateByCodeForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from kcloud_site.sign_in import services
from kcloud_site.sign_in.addresses import address_of
from kcloud_site.sign_in.errors import TooManyTries

NAME_LENGTH = 60


class SignInForm(LoginForm):
    """Name or e-mail, and password; what was wrong of the two is not said."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = _("Name or e-mail")
        self.fields["password"].label = _("Password")
        self.fields["remember"].label = _("Keep me signed in for 8 hours")

    def add_prefix(self, field_name: str) -> str:
        """The name field is called what browsers' password stores look for."""
        return super().add_prefix("username" if field_name == "login" else field_name)

    def warning(self) -> str:
        """How many tries are left, once one was wrong."""
        if not self.is_bound:
            return ""
        left = services.tries_left(
            name=self.data.get("username", ""), address=address_of(self.request), now=timezone.now()
        )
        if left in (0, services.TRIES):
            return ""
        text = ngettext(
            "%(left)d more try, then a pause of 5 minutes.",
            "%(left)d more tries, then a pause of 5 minutes.",
            left,
        )
        return text % {"left": left}


class AgainForm(ReauthenticateForm):
    """The password once more, before what protects the account is changed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = ""
        _say(self, password=_("Password"))


class CountedCode(forms.Form):
    """A code by hand, of the app or a recovery code. Wrong ones are counted per person, wherever they come from."""

    user: Any
    authenticator: Authenticator

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say(self, code=_("Code"))

    def clean_code(self) -> str:
        now, who = timezone.now(), {"name": f"code of {self.user.pk}", "address": ""}
        try:
            services.begin_try(**who, now=now)
        except TooManyTries as refusal:
            raise ValidationError(str(refusal)) from refusal
        try:
            code: str = super().clean_code()  # type: ignore[misc]
            self._spend(now)
        except ValidationError:
            services.note_failure(**who, user=self.user, now=now, what="code")
            raise
        services.forget_failures(**who)
        return code

    def _spend(self, now: Any) -> None:
        is_app = self.authenticator.type == Authenticator.Type.TOTP
        if is_app and not services.spend_code(authenticator=self.authenticator, now=now):
            raise ValidationError(_("This code was used already. Wait for the next one."))


class CodeForm(CountedCode, AuthenticateForm):
    """The second factor of a sign-in."""


class AgainCodeForm(CountedCode, ReauthenticateByCodeForm):
    """The second factor once more, before what protects the account is changed."""


class AppForm(ActivateTOTPForm):
    """Sets up an authenticator app: its first code shows that it has the secret."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say(self, code=_("The code the app shows now"))


class PasskeyForm(AddWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say(self, name=_("Name"))
        self.fields["name"].widget.attrs["maxlength"] = NAME_LENGTH
        self.fields["passwordless"].initial = True
        self.fields["passwordless"].label = _("Sign in with it alone")
        self.fields["passwordless"].help_text = _(
            "The passkey then asks for your finger, face or PIN, and no password is needed. Otherwise it is a second "
            "factor after the password."
        )

    def clean_name(self) -> str:
        # Too long a name is cut: the key is made already and cannot be asked for again.
        return str(super().clean_name())[:NAME_LENGTH]


class PasskeyNameForm(EditWebAuthnForm):
    name = forms.CharField(label=_("Name"), max_length=NAME_LENGTH)


class NewPasswordForm(ChangePasswordForm):
    """A new password, told apart from the present one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].help_text = ""
        _say(
            self,
            oldpassword=_("Present password"),
            password1=_("New password"),
            password2=_("New password once more"),
        )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        if data.get("password1") and data.get("password1") == data.get("oldpassword"):
            self.add_error("password1", _("This is the present password. Choose another one."))
        return data


class ForgottenForm(ResetPasswordForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say(self, email=_("E-mail address"))

    def save(self, request: Any, **kwargs: Any) -> str:
        """Mails in either case: how long the answer takes must not tell which it was."""
        if self.users:
            return str(super().save(request, **kwargs))
        email = str(self.cleaned_data["email"])
        get_adapter(request).send_mail("account/email/unknown_account", email, {})
        return email


class ResetForm(ResetPasswordKeyForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _say(self, password1=_("New password"), password2=_("New password once more"))


def _say(form: forms.Form, **labels: Any) -> None:
    """Our labels above the fields instead of the library's inside them."""
    for name, label in labels.items():
        form.fields[name].label = label
        form.fields[name].widget.attrs.pop("placeholder", None)
