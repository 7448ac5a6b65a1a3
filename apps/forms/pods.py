"""The filter of a workload's pods."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _


class PodFilter(forms.Form):
    """A state (apps.selectors.seen_pods.STATES), parts of the names of pod and node."""

    STATES = [
        ("", _("Any state")),
        ("down", _("Failing")),
        ("pending", _("Starting")),
        ("deleting", _("Leaving")),
        ("healthy", _("Ready")),
    ]
    q = forms.CharField(required=False, max_length=253)
    node = forms.CharField(required=False, max_length=253)
    state = forms.ChoiceField(required=False, choices=STATES)
