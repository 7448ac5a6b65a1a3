"""Forms of requests and quotas. They read and check what was typed; services decide."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters.forms.environments import AmountsForm, PlaceForm, QuantityField
from clusters.models import TenantRequest
from kcloud_site.tenants.resources import PARTS

_DATE = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class AmountForm(AmountsForm):
    """Five amounts, each of which may be left out, and why."""

    cpu = QuantityField(part="cpu", required=False)
    memory = QuantityField(part="memory", required=False)
    storage = QuantityField(part="storage", required=False)
    pods = QuantityField(part="pods", required=False)
    gpus = QuantityField(part="gpus", required=False)
    reason = forms.CharField(
        label=_("What it is for"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Whoever decides reads it, and it stands in the audit trail."),
    )


class LoanForm(AmountForm):
    """Quota for a time."""

    until = forms.DateField(
        label=_("Until the end of"), widget=_DATE, help_text=_("It returns by itself at the end of that day.")
    )
    field_order = [*PARTS, "until", "reason"]

    @property
    def until_at(self) -> datetime:
        """The end of the day chosen, in the person's zone."""
        day = self.cleaned_data["until"] + timedelta(days=1)
        return timezone.make_aware(datetime.combine(day, time()))


class EnvironmentRequestForm(AmountForm, PlaceForm):
    """An environment to be asked for."""

    cpu = QuantityField(part="cpu")
    memory = QuantityField(part="memory")
    pods = QuantityField(part="pods")
    field_order = ["name", "stage", "cluster", *PARTS, "reason"]


class CommentForm(forms.Form):
    """Something said about a request."""

    text = forms.CharField(label=_("Comment"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))


class DecisionForm(forms.Form):
    """Why a request is approved."""

    reason = forms.CharField(
        label=_("Why"), required=False, max_length=1000, help_text=_("Whoever asked reads it.")
    )


class DeclineForm(DecisionForm):
    """Why a request is declined: never without a reason."""

    reason = forms.CharField(label=_("Why"), max_length=1000, help_text=_("Whoever asked reads it."))


class RequestFilter(forms.Form):
    """A state."""

    STATES = [("", _("Any state")), *TenantRequest.State.choices]
    state = forms.ChoiceField(required=False, choices=STATES)
