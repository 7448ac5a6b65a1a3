"""Forms about the person at the screen: preferences."""

from __future__ import annotations

import zoneinfo
from typing import Any, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models import User


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
