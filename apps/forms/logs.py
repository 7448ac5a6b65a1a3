"""What people ask of logs, and the form for one command."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.loglines.lines import BILLION, nanoseconds, read_point
from apps.loglines.patterns import Pattern, PatternRefused, read_pattern
from apps.loglines.positions import LONGEST, read_positions
from apps.loglines.query import USUAL_LINES, Query
from apps.services.commands import LONGEST_COMMAND, MOST_SECONDS, USUAL_SECONDS

MINUTES = {"15m": 15, "1h": 60, "6h": 360, "24h": 1440, "7d": 10_080}
WINDOWS = (
    ("", _("Any time")),
    ("15m", _("Last 15 minutes")),
    ("1h", _("Last hour")),
    ("6h", _("Last 6 hours")),
    ("24h", _("Last 24 hours")),
    ("7d", _("Last 7 days")),
)
SEVERITIES = (
    ("", _("Any severity")),
    ("info", _("Info and worse")),
    ("warning", _("Warnings and errors")),
    ("error", _("Errors")),
)
AROUND_SECONDS = 600
_WHY: dict[str, Any] = {
    "long": _("The pattern is longer than 100 characters."),
    "syntax": _("The pattern is no regular expression."),
    "construct": _("Patterns with back references or look-around are not taken."),
    "nested": _("Something that repeats must not repeat or choose inside."),
    "many": _("At most two repeats and six choices in a pattern."),
}


class LogFilter(forms.Form):
    """In the address: every choice can be shared. What is not understood narrows nothing, but for the pattern."""

    q = forms.CharField(required=False, max_length=200, strip=False)
    pattern = forms.BooleanField(required=False)
    severity = forms.ChoiceField(choices=SEVERITIES, required=False)
    window = forms.ChoiceField(choices=WINDOWS, required=False)
    pod = forms.CharField(required=False, max_length=2600)
    container = forms.CharField(required=False, max_length=253)
    previous = forms.BooleanField(required=False)
    since = forms.DateTimeField(required=False)
    until = forms.DateTimeField(required=False)
    line = forms.CharField(required=False, max_length=600)
    after = forms.CharField(required=False, max_length=LONGEST)

    def clean_q(self) -> str:
        text: str = self.cleaned_data["q"]
        if text and self.data.get("pattern"):
            try:
                read_pattern(text)
            except PatternRefused as error:
                raise forms.ValidationError(_WHY[error.code]) from error
        return text

    def query(self, *, limit: int = USUAL_LINES) -> Query:
        """What is asked for. Ask `is_valid` first."""
        found = self.cleaned_data
        text, is_pattern = found.get("q") or "", found.get("pattern")
        after = read_positions(found.get("after") or "")
        since, until = self._window()
        return Query(
            pods=tuple(name for name in (found.get("pod") or "").split(",") if name)[:50],
            container=found.get("container") or "",
            previous=bool(found.get("previous")),
            words="" if is_pattern else text,
            pattern=Pattern(text) if is_pattern and text else None,
            severity=found.get("severity") or "",
            since=since,
            until=until,
            after=after,
            limit=limit,
            oldest_first=after is not None,
        )

    def _window(self) -> tuple[int | None, int | None]:
        found = self.cleaned_data
        point = read_point(found.get("line") or "")
        if point is not None:
            return max(0, point.at - AROUND_SECONDS * BILLION), point.at + AROUND_SECONDS * BILLION
        since, until = found.get("since"), found.get("until")
        if since is None and found.get("window"):
            since = timezone.now() - timedelta(minutes=MINUTES[found["window"]])
        return (
            max(0, nanoseconds(since)) if since else None,
            max(0, nanoseconds(until)) if until else None,
        )


class CommandForm(forms.Form):
    """One command: where, what, for how long."""

    place = forms.ChoiceField(label=_("Container"))
    command = forms.CharField(
        label=_("Command"),
        max_length=LONGEST_COMMAND,
        help_text=_("A program and its arguments; quotes hold an argument together. No shell reads it."),
    )
    shell = forms.BooleanField(
        label=_("Through the container's shell"),
        required=False,
        help_text=_("For pipes and variables. Needs /bin/sh in the image."),
    )
    seconds = forms.IntegerField(
        label=_("Time limit in seconds"), min_value=1, max_value=MOST_SECONDS, initial=USUAL_SECONDS
    )
    reason = forms.CharField(label=_("Reason"), required=False, max_length=500)

    def __init__(self, *args: Any, places: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["place"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(f"{pod}/{container}", f"{pod} · {container}") for pod, container in places]
