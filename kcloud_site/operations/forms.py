"""Forms of the operation and audit pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from kcloud_site.operations.models import State


class OperationFilter(forms.Form):
    """Filter of the list: state, kind, and what the subject's name contains."""

    STATES = [("", _("All states")), ("active", _("Running or waiting")), *State.choices]

    state = forms.ChoiceField(label=_("State"), required=False, choices=STATES)
    kind = forms.CharField(label=_("Kind"), required=False, max_length=60)
    q = forms.CharField(label=_("Name contains"), required=False, max_length=100)


class AuditFilter(forms.Form):
    """Filter of the trail: who, which action, which object, which operation."""

    actor = forms.CharField(label=_("Who"), required=False, max_length=150)
    action = forms.CharField(label=_("Action"), required=False, max_length=60)
    object = forms.CharField(label=_("Object"), required=False, max_length=200)
    operation = forms.IntegerField(label=_("Operation"), required=False, min_value=1)


class CancelForm(forms.Form):
    """Cancelling is confirmed by the subject's name, where the kind asks for it."""

    name = forms.CharField(label=_("Name"), max_length=200, strip=True)

    def __init__(self, *args: Any, expected: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        if not expected:
            del self.fields["name"]

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name != self.expected:
            raise forms.ValidationError(
                _("This is not the name. Type %(name)s to confirm.") % {"name": self.expected}
            )
        return name
