"""Forms about the person at the screen: signing in, preferences, a new password."""

from __future__ import annotations

import math
import zoneinfo
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from kcloud_site.tenants.models import User
from kcloud_site.tenants.services import people


class SignInForm(AuthenticationForm):
    """Name and password; what was wrong of the two is not said."""

    remember = forms.BooleanField(label=_("Keep me signed in for 8 hours"), required=False)

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": _("Name or password is not right. Capital and small letters differ in both."),
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = _("Name")

    def clean(self) -> dict[str, Any]:
        now, who = timezone.now(), {"name": self.data.get("username", ""), "address": self._address()}
        if not people.tries_left(**who, now=now):
            minutes = math.ceil((people.pause_ends(**who, now=now) - now).total_seconds() / 60)
            raise forms.ValidationError(
                ngettext(
                    "Too many wrong passwords. Wait %(minutes)d minute, then try again.",
                    "Too many wrong passwords. Wait %(minutes)d minutes, then try again.",
                    minutes,
                )
                % {"minutes": minutes}
            )
        try:
            data = super().clean()
        except forms.ValidationError:
            people.record_failed_sign_in(**who, now=now)
            raise
        people.forget_failed_sign_ins(**who)
        return data

    def _address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", "")) if self.request else ""

    def warning(self) -> str:
        """How many tries are left, once one was wrong."""
        now = timezone.now()
        left = people.tries_left(name=self.data.get("username", ""), address=self._address(), now=now)
        if not self.is_bound or left in (0, people.TRIES):
            return ""
        text = ngettext(
            "%(left)d more try, then a pause of 5 minutes.",
            "%(left)d more tries, then a pause of 5 minutes.",
            left,
        )
        return text % {"left": left}


class PreferencesForm(forms.ModelForm):
    """Language, time zone, appearance and row height."""

    language = forms.ChoiceField(
        label=_("Language"), required=False, help_text=_("Left open, the browser's language is taken.")
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), required=False, help_text=_("All times of the console are shown in it.")
    )

    class Meta:
        model = User
        fields = ["language", "time_zone", "appearance", "density"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = ((zone, zone) for zone in sorted(zoneinfo.available_timezones()))
        cast(forms.ChoiceField, self.fields["language"]).choices = [
            ("", _("As the browser")),
            *settings.LANGUAGES,
        ]
        cast(forms.ChoiceField, self.fields["time_zone"]).choices = [("", _("As the portal")), *zones]


class LanguageForm(forms.Form):
    language = forms.ChoiceField(choices=settings.LANGUAGES)


class AppearanceForm(forms.ModelForm):
    """What the account menu switches: only the fields that were sent change."""

    class Meta:
        model = User
        fields = ["appearance", "density"]

    def __init__(self, data: Any, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for name in [name for name in self.fields if name not in data]:
            del self.fields[name]


class NewPasswordForm(PasswordChangeForm):
    """A new password ends the need to change a one-time one."""

    def save(self, commit: bool = True) -> User:
        self.user.must_change_password = False
        return super().save(commit)
