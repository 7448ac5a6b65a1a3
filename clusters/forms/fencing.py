"""The form of a way to power hosts off. Its secret is never shown again."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from clusters.healing.fencing import LEAST_SECONDS, MOST_SECONDS, Commands
from clusters.models import FencingMethod

_IPMI = ["-I", "lanplus", "-H", "{host}-bmc", "-U", "admin", "-E", "chassis", "power"]
EXAMPLE = {
    "off_arguments": "\n".join([*_IPMI, "off"]),
    "status_arguments": "\n".join([*_IPMI, "status"]),
    "off_text": "Chassis Power is off",
    "seconds": 30,
    "mode": FencingMethod.Mode.APPROVE,
}
_LINES = forms.Textarea(attrs={"rows": 6, "class": "kc-mono", "spellcheck": "false"})


class FencingForm(forms.Form):
    """Two commands of one program."""

    program = forms.ChoiceField(
        label=_("Program"), help_text=_("KCLOUD_FENCING_PROGRAMS names what may be chosen.")
    )
    off_arguments = forms.CharField(
        label=_("Arguments that power off"),
        max_length=6000,
        widget=_LINES,
        help_text=_("One a line, no shell. {host} and {address} stand for the host's name and address."),
    )
    status_arguments = forms.CharField(
        label=_("Arguments that ask for the state"), max_length=6000, widget=_LINES
    )
    off_text = forms.CharField(
        label=_("What it says when the machine is off"),
        max_length=100,
        help_text=_("Only this counts as off; that the first command ended well does not."),
    )
    seconds = forms.IntegerField(
        label=_("Seconds until it must be off"), min_value=LEAST_SECONDS, max_value=MOST_SECONDS
    )
    mode = forms.ChoiceField(
        label=_("When a node is lost"),
        choices=FencingMethod.Mode.choices,
        help_text=_("By itself: as soon as two witnesses agree and something waits for it."),
    )
    secret = forms.CharField(
        label=_("Password"),
        required=False,
        strip=False,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Given in IPMI_PASSWORD and FENCING_SECRET, never as an argument. Empty: as it is."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(each, each) for each in settings.FENCING_PROGRAMS]
        self.fields["program"].choices = choices  # type: ignore[attr-defined]

    @property
    def commands(self) -> Commands:
        """What was typed, as data."""
        given = self.cleaned_data
        return Commands(
            given["program"],
            _lines(given["off_arguments"]),
            _lines(given["status_arguments"]),
            given["off_text"],
            given["seconds"],
        )


def initial_of(method: FencingMethod | None) -> dict[str, Any]:
    """What the form begins with: what is kept, or an example."""
    if method is None:
        return dict(EXAMPLE)
    return {
        "program": method.program,
        "off_arguments": "\n".join(method.off_arguments),
        "status_arguments": "\n".join(method.status_arguments),
        "off_text": method.off_text,
        "seconds": method.seconds,
        "mode": method.mode,
    }


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
