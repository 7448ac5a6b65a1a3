"""Asking for a deployment, scheduling one, and deciding on one. Services decide."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class AskForm(forms.Form):
    """Beside what is deployed: why, and when."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("What is deployed, and why now. Whoever decides reads it."),
    )
    deploy_at = forms.DateTimeField(
        label=_("Deploy at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text=_("Empty: as soon as it is approved."),
    )


class DecisionForm(forms.Form):
    """A yes, a no, or taking it back."""

    reason = forms.CharField(
        label=_("Reason"), required=False, max_length=500, widget=forms.Textarea(attrs={"rows": 2})
    )
