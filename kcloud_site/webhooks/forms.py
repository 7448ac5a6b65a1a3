"""Forms of the pages of webhooks."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from kcloud_site.webhooks.models import Delivery, Webhook

# Beginnings of events that are offered; others are typed.
OFFERED = (
    ("release.", _("Releases are published")),
    ("deployment.", _("Deployments: asked for, available, failed, returned")),
    ("healing.", _("Self-healing: done, waiting for a person, alerts")),
    ("configuration.", _("Configuration is drafted, published, staged")),
    ("environment.", _("Environments are made, changed, removed")),
    ("operation.finished", _("Any operation ends")),
)


class WebhookForm(forms.Form):
    """Where messages go and which. The name is given once."""

    name = forms.CharField(label=_("Name"), max_length=60)
    url = forms.CharField(
        label=_("Address"), max_length=500, widget=forms.TextInput(attrs={"inputmode": "url"})
    )
    offered = forms.MultipleChoiceField(
        label=_("Tell it when"), choices=OFFERED, required=False, widget=forms.CheckboxSelectMultiple
    )
    others = forms.CharField(
        label=_("Other events"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("Beginnings of actions of the audit trail, one on each line: “member.”, “alert.”."),
    )

    def __init__(self, *args: Any, hook: Webhook | None = None, **kwargs: Any) -> None:
        known = {key for key, _word in OFFERED}
        events = ["release.", "deployment.", "healing."] if hook is None else hook.events
        kwargs["initial"] = {
            "url": hook.url if hook else "",
            "offered": [each for each in events if each in known],
            "others": "\n".join(each or "*" for each in events if each not in known),
        }
        super().__init__(*args, **kwargs)
        if hook is not None:
            del self.fields["name"]

    def clean(self) -> dict[str, Any]:
        """`events`: what was chosen and typed, "*" being all of them."""
        chosen: dict[str, Any] = super().clean() or {}
        typed = [line.strip() for line in chosen.pop("others", "").splitlines() if line.strip()]
        offered = chosen.pop("offered", [])
        chosen["events"] = [*offered, *("" if each == "*" else each for each in typed)]
        if not chosen["events"] and "offered" not in self.errors:
            self.add_error("offered", _("Choose at least one, or type others."))
        return chosen


class DeliveryFilter(forms.Form):
    """Which deliveries are shown."""

    STATES = [("", _("Every state")), *Delivery.State.choices]
    state = forms.ChoiceField(choices=STATES, required=False)
