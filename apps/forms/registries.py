"""Forms of other registries' credentials. A password is never shown again, not even to who just typed it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.models import RegistryCredential
from apps.services.registry_credentials import LONGEST_AUTHORITY, LONGEST_NAME, LONGEST_PASSWORD


class CredentialForm(forms.Form):
    """What is said at a registry, and whom to trust there."""

    username = forms.CharField(label=_("User name"), required=False, max_length=LONGEST_NAME)
    password = forms.CharField(
        label=_("Password or token"),
        required=False,
        strip=False,
        max_length=LONGEST_PASSWORD,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("It is kept encrypted and never shown. A token that may only pull is enough."),
    )
    authority = forms.CharField(
        label=_("Certificate authority"),
        required=False,
        max_length=LONGEST_AUTHORITY,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "class": "kc-mono"}),
        help_text=_(
            "For registries whose certificate no public authority issued. The portal trusts it there; nodes need it "
            "too."
        ),
    )


class NewCredentialForm(CredentialForm):
    """With the registry, which stays."""

    host = forms.CharField(
        label=_("Registry"),
        max_length=260,
        help_text=_("As images name it: ghcr.io, docker.io, harbor.example.com:8443."),
    )
    field_order = ["host"]


def replacing(credential: RegistryCredential, data: Any = None) -> CredentialForm:
    """The form of one that is there; its password is not in it."""
    form = CredentialForm(data, initial={"username": credential.username, "authority": credential.authority})
    if credential.sealed:
        form.fields["password"].widget.attrs["placeholder"] = str(_("unchanged; type to replace"))
    return form
