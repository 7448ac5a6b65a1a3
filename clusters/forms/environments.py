"""Forms of environments. They read and check what was typed; services decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster, Environment
from clusters.selectors.environments import STATES
from clusters.selectors.resource_texts import WORDS
from kcloud_site import status
from kcloud_site.tenants.resources import EXAMPLES, PARTS, QuantityInvalid, Resources, parse, quantity


class EnvironmentFilter(forms.Form):
    """Part of a name, a stage, a state."""

    STAGES = [("", _("Any stage")), *Environment.Stage.choices]
    STATES = [("", _("Any state")), *((key, status.get(key).word) for key in STATES)]

    q = forms.CharField(required=False, max_length=63)
    stage = forms.ChoiceField(required=False, choices=STAGES)
    state = forms.ChoiceField(required=False, choices=STATES)


class QuantityField(forms.CharField):
    """An amount of one resource, as Kubernetes writes it; cleaned to the resource's own unit."""

    def __init__(self, *, part: str, **options: Any) -> None:
        self.part = part
        hint = _("For example %(examples)s.") % {"examples": EXAMPLES[part]}
        super().__init__(label=WORDS[part], max_length=40, help_text=hint, **options)

    def clean(self, value: Any) -> int:
        text = super().clean(value)
        try:
            return parse(self.part, text or "0")
        except QuantityInvalid as error:
            raise forms.ValidationError(_explained(error)) from error


def _explained(error: QuantityInvalid) -> str:
    if error.code == "negative":
        return _now("It cannot be less than nothing. Write %(examples)s.") % {
            "examples": EXAMPLES[error.part]
        }
    if error.code == "too-large":
        return _now("That is more than any cluster has. Write %(examples)s.") % {
            "examples": EXAMPLES[error.part]
        }
    return _now("This is not an amount. Write %(examples)s.") % {"examples": EXAMPLES[error.part]}


class AmountsForm(forms.Form):
    """What every form of five amounts shares; each says which of them may be left out."""

    @property
    def amount(self) -> Resources:
        """What was typed, once the form is valid."""
        return Resources(**{part: self.cleaned_data[part] for part in PARTS})

    @staticmethod
    def told(amount: Resources) -> dict[str, str]:
        """`initial` for an amount."""
        return {part: quantity(part, value) for part, value in amount.parts().items()}


class PlaceForm(forms.Form):
    """What an environment is called and where it lives: the same when it is made and when it is asked for."""

    name = forms.CharField(
        label=_("Name"),
        max_length=30,
        help_text=_(
            "Lower case letters, digits and hyphens, such as dev or prod. It cannot be changed later."
        ),
    )
    stage = forms.ChoiceField(label=_("Stage"), choices=Environment.Stage.choices)
    cluster = forms.ModelChoiceField(
        Cluster.objects.filter(state=Cluster.State.READY),
        label=_("Cluster"),
        to_field_name="name",
        empty_label=None,
        help_text=_("Where it lives. It cannot be moved later."),
    )


class ShareForm(AmountsForm):
    """How much of a cluster: five amounts."""

    cpu = QuantityField(part="cpu")
    memory = QuantityField(part="memory")
    storage = QuantityField(part="storage", required=False)
    pods = QuantityField(part="pods")
    gpus = QuantityField(part="gpus", required=False)
    reason = forms.CharField(
        label=_("Reason"), required=False, max_length=500, help_text=_("Stands in the audit trail.")
    )


class NewEnvironment(ShareForm, PlaceForm):
    """An environment to be made, by a platform operator."""

    protected = forms.BooleanField(
        label=_("Protect it"),
        required=False,
        help_text=_("It cannot be removed before somebody lifts the protection. Meant for production."),
    )
    field_order = ["name", "stage", "cluster", *PARTS, "protected", "reason"]


class ReasonForm(forms.Form):
    """Why something is done."""

    reason = forms.CharField(
        label=_("Reason"), required=False, max_length=500, help_text=_("Stands in the audit trail.")
    )
