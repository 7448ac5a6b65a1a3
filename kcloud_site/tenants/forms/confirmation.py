"""Typing a name before something is destroyed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class NameConfirmation(forms.Form):
    """Valid when the name was typed exactly."""

    name = forms.CharField(label=_("Name"), max_length=200)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.expected:
            raise forms.ValidationError(
                _("This is not the name. Type %(name)s to confirm.") % {"name": self.expected}
            )
        return name
