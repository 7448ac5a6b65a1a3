"""Forms of clusters: the filters of lists, the import, and the kubeconfig's reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clusters.kubeconfigs.kubeconfig import MAX_BYTES
from clusters.models import Region


class ClusterFilter(forms.Form):
    """Part of a name, a region, a state as the list shows it, a version."""

    STATES = [
        ("", _("Any state")),
        ("down", _("Down")),
        ("failed", _("Deployment failed")),
        ("unknown", _("Unknown")),
        ("degraded", _("Degraded")),
        ("deploying", _("Deploying")),
        ("resetting", _("Resetting")),
        ("draft", _("Draft")),
        ("healthy", _("Healthy")),
    ]

    q = forms.CharField(required=False, max_length=40)
    region = forms.SlugField(required=False, max_length=40)
    state = forms.ChoiceField(required=False, choices=STATES)
    version = forms.CharField(required=False, max_length=20)


class NodeFilter(forms.Form):
    """Part of a name, a role, a state."""

    STATES = [
        ("", _("Any state")),
        ("not-ready", _("Not ready")),
        ("cordoned", _("Cordoned")),
        ("ready", _("Ready")),
    ]

    q = forms.CharField(required=False, max_length=253)
    role = forms.SlugField(required=False, max_length=63)
    state = forms.ChoiceField(required=False, choices=STATES)


class SecretText(forms.Textarea):
    """A text area that never shows again what was typed into it: a kubeconfig is a key."""

    def format_value(self, value: Any) -> str:
        return ""


class ImportForm(forms.Form):
    """A cluster to be taken over. The kubeconfig is pasted, not uploaded: an upload could touch the disk."""

    name = forms.CharField(
        label=_("Name"),
        max_length=40,
        help_text=_("Lower case letters, digits and hyphens. It cannot be changed later."),
    )
    region = forms.ModelChoiceField(
        Region.objects.all(), label=_("Region"), to_field_name="name", required=False, empty_label=_("None")
    )
    kubeconfig = forms.CharField(
        label=_("Kubeconfig"),
        max_length=MAX_BYTES,
        strip=False,
        widget=SecretText(
            attrs={"rows": 14, "spellcheck": "false", "autocomplete": "off", "class": "kc-mono"}
        ),
        help_text=_(
            "From kubectl config view --minify --flatten --raw. Only the server, its authority and a token or client"
            " certificate are taken. It is stored encrypted and never shown again."
        ),
    )
    allow_internal = forms.BooleanField(
        label=_("Allow an internal address"),
        required=False,
        help_text=_("For an API server on this machine or in the portal's own network."),
    )


class KubeconfigForm(forms.Form):
    """Why somebody takes a kubeconfig."""

    reason = forms.CharField(
        label=_("Reason"),
        required=False,
        max_length=200,
        help_text=_("Stands in the audit trail beside your name."),
    )
