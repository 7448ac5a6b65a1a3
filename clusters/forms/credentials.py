"""Forms of credentials. A secret is never shown again, not even to who just typed it wrong."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from clusters.hosts.ssh_keys import MAX_LENGTH
from clusters.models import Credential


class Secret(forms.Form):
    """A private key or a password: the field of the kind that was chosen counts."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=Credential.Kind.choices,
        initial=Credential.Kind.SSH_KEY,
    )
    private_key = forms.CharField(
        label=_("Private key"),
        required=False,
        strip=False,
        max_length=MAX_LENGTH,
        help_text=_(
            "The text of the private key file, without passphrase. It is kept encrypted and never shown."
        ),
    )
    password = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Only for the kind “Password”. Keys are safer."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["private_key"].widget = _HiddenText(
            attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false", "class": "kc-mono"}
        )

    @property
    def secret(self) -> str:
        """What was typed into the field of the chosen kind."""
        return str(self.cleaned_data.get(self.secret_field) or "")

    @property
    def secret_field(self) -> str:
        is_key = self.cleaned_data.get("kind") == Credential.Kind.SSH_KEY
        return "private_key" if is_key else "password"


class NewCredential(Secret):
    """A credential to be."""

    name = forms.CharField(
        label=_("Name"), max_length=60, help_text=_("Lower case letters, digits and hyphens.")
    )
    username = forms.CharField(
        label=_("User name"),
        max_length=32,
        help_text=_("Root, or somebody who may use sudo without a password."),
    )
    field_order = ["name", "username", "kind", "private_key", "password"]


class _HiddenText(forms.Textarea):
    """A text area that never comes back filled, as PasswordInput."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)
