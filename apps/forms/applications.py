"""Forms of applications. They read and check what was typed; services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.models import App
from apps.selectors.apps import STATES
from kcloud_site import status


class AppFilter(forms.Form):
    """Part of a name, a state, a criticality."""

    STATES = [("", _("Any state")), *((key, status.get(key).word) for key in STATES)]
    CRITICALITIES = [("", _("Any criticality")), *App.Criticality.choices]

    q = forms.CharField(required=False, max_length=60)
    state = forms.ChoiceField(required=False, choices=STATES)
    criticality = forms.ChoiceField(required=False, choices=CRITICALITIES)


class LabelsField(forms.CharField):
    """One "name: text" on each line; cleaned to a map."""

    def __init__(self, **options: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})
        super().__init__(required=False, max_length=5000, widget=widget, **options)

    def prepare_value(self, value: Any) -> Any:
        return (
            "\n".join(f"{key}: {text}" for key, text in value.items()) if isinstance(value, dict) else value
        )

    def clean(self, value: Any) -> Any:
        found: dict[str, str] = {}
        for number, line in enumerate(super().clean(value).splitlines(), 1):
            name, colon, text = line.partition(":")
            if not line.strip():
                continue
            if not colon:
                raise forms.ValidationError(_now("Line %(number)s has no colon.") % {"number": number})
            found[name.strip()] = text.strip()
        return found


class AppForm(forms.Form):
    """What is said of an application."""

    title = forms.CharField(label=_("Title"), required=False, max_length=100)
    description = forms.CharField(
        label=_("Description"), required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )
    owner = forms.CharField(label=_("Owner"), required=False, max_length=150)
    contacts = forms.CharField(label=_("Contacts"), required=False, max_length=300)
    repository = forms.URLField(label=_("Repository"), required=False, max_length=300, assume_scheme="https")
    criticality = forms.ChoiceField(label=_("Criticality"), choices=App.Criticality.choices)
    reload = forms.ChoiceField(label=_("When the configuration changes"), choices=App.Reload.choices)
    labels = LabelsField(label=_("Labels"), help_text=_("One on each line, as “cost-centre: 4711”."))


class NewAppForm(AppForm):
    """With the name, which stays."""

    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        help_text=_("The name of its objects on the cluster, and how others reach it. It stays."),
    )
    field_order = ["name"]
