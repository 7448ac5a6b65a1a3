"""Forms of hosts: one host, a list of hosts, and the filter of the list."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from clusters.hosts import files as host_files
from clusters.hosts import rules as host_rules
from clusters.models import Credential, Host, Region
from clusters.problems import Problem

MOST_PASTED = 500_000


class HostFilter(forms.Form):
    """Filter of the list: part of the name or the beginning of the address, region, state, cluster."""

    STATES = [("", _("Any state")), *Host.State.choices]

    q = forms.CharField(required=False, max_length=63)
    region = forms.SlugField(required=False, max_length=40)
    state = forms.ChoiceField(required=False, choices=STATES)
    cluster = forms.CharField(required=False, max_length=40)


def _region(**more: Any) -> forms.ModelChoiceField:
    empty = _("Choose a region") if more.get("required", True) else _("None")
    found = Region.objects.all()
    return forms.ModelChoiceField(found, label=_("Region"), to_field_name="name", empty_label=empty, **more)


def _credential(**more: Any) -> forms.ModelChoiceField:
    found = Credential.objects.defer("sealed_secret")
    empty = _("Choose a credential") if more.get("required", True) else _("None")
    return forms.ModelChoiceField(
        found, label=_("Credential"), to_field_name="name", empty_label=empty, **more
    )


class NewHost(forms.Form):
    """A host to be enrolled."""

    name = forms.CharField(
        label=_("Name"),
        max_length=63,
        help_text=_("Lower case letters, digits and hyphens; the node will be called so."),
    )
    region = _region()
    address = forms.CharField(
        label=_("Address"), max_length=40, help_text=_("IPv4, as the other hosts of the cluster reach it.")
    )
    ssh_port = forms.IntegerField(
        label=_("SSH port"), initial=host_rules.SSH_PORT, min_value=1, max_value=65535
    )
    credential = _credential(help_text=_("Who signs in: root, or a user with sudo without a password."))
    expected_host_key = forms.CharField(
        label=_("Host key fingerprint"),
        required=False,
        max_length=2000,
        help_text=_(
            "From the host's console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. Without it the key that"
            " answers now is recorded."
        ),
    )

    def clean_name(self) -> str:
        return _checked(self.cleaned_data["name"], host_rules.name_problem)

    def clean_address(self) -> str:
        return _checked(self.cleaned_data["address"], host_rules.address_problem)


class HostRevision(forms.Form):
    """Where a host belongs and how to sign in."""

    region = _region()
    credential = _credential()


class KeyComparison(forms.Form):
    """A person has compared the shown key with the machine."""

    fingerprint = forms.CharField(max_length=60, widget=forms.HiddenInput)
    compared = forms.BooleanField(label=_("I compared it with the key on the host's own console: they agree"))


class HostList(forms.Form):
    """A file, or its text, and what rows take that name no region or credential."""

    file = forms.FileField(
        label=_("File"), required=False, help_text=_("CSV or YAML, at most 1 MiB and 1 000 hosts.")
    )
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        strip=False,
        max_length=MOST_PASTED,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "kc-mono"}),
    )
    region = _region(required=False, help_text=_("For rows that name none."))
    credential = _credential(required=False, help_text=_("For rows that name none."))

    def clean(self) -> dict[str, Any]:
        chosen = super().clean() or {}
        file, text = chosen.get("file"), chosen.get("text") or ""
        if not self.errors and bool(file) == bool(text.strip()):
            self.add_error("file", _("Choose a file, or paste its text: one of the two."))
        elif file:
            # One byte more than allowed: the reader of the file says that it is too large.
            chosen["data"] = file.read(host_files.MAX_BYTES + 1)
            chosen["format"] = host_files.guess_format(chosen["data"], str(file.name))
        else:
            chosen["data"] = text.encode()
            chosen["format"] = host_files.guess_format(chosen["data"])
        return chosen


def _checked(value: str, find: Any) -> str:
    problem: Problem | None = find(value)
    if problem:
        raise forms.ValidationError(f"{problem.message_in(_now)} {problem.remedy_in(_now)}")
    return value
