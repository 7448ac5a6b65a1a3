"""The form of consents: one choice for each rung."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from apps.healing import ladder
from apps.models import HealingConsent, Rung


class ConsentForm(forms.Form):
    """How far each rung may go by itself."""

    def __init__(self, *args: Any, modes: Mapping[Any, str], **options: Any) -> None:
        super().__init__(*args, **options)
        words = dict(Rung.choices)
        for rung in ladder.RUNGS:
            self.fields[rung] = forms.ChoiceField(
                label=words[rung], choices=HealingConsent.Mode.choices, initial=modes[rung]
            )
