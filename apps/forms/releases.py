"""Publishing a release: as fields, or as text. Both read what was typed; apps.specs says what is wrong with it.

The fields' form is bound to what a browser sent, or shows `Fields`. Emptiness and bounds are judged by the release's
reader alone, with all that is wrong besides, so a field here has no rule but its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import SuspiciousOperation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.specs.fields import PROBE_PARTS, ROWS, Fields, posted, rows_in
from apps.specs.spec import KINDS, PROBE_NAMES, PROTOCOLS
from clusters.problems import Problem

_SALT = "apps.release.rest"
_MONO = {"class": "kc-mono", "spellcheck": "false", "autocomplete": "off"}
_COUNT = {"inputmode": "numeric", "autocomplete": "off"}
VOLUMES = [("empty", _("Empty, ends with its pod")), ("claim", _("Claim, outlives its pod"))]
PROBES = [
    ("", _("None")),
    ("http", _("HTTP request")),
    ("tcp", _("TCP connection")),
    ("grpc", _("gRPC health check")),
    ("exec", _("Command in the container")),
]
PROBE_TITLES = {"startup": _("Startup"), "readiness": _("Readiness"), "liveness": _("Liveness")}
PROBE_HINTS = {
    "startup": _("Until it succeeds once, the other two wait."),
    "readiness": _("While it fails, the pod gets no requests."),
    "liveness": _("When it fails, the container is restarted."),
}


class _ReleaseForm(forms.Form):
    # The page says what is missing, in the reader's language and with the remedy.
    use_required_attribute = False

    version = forms.CharField(
        label=_("Version"), max_length=64, help_text=_("For example 1.8.2. It is never used again.")
    )
    notes = forms.CharField(
        label=_("Notes"), required=False, max_length=10_000, widget=forms.Textarea(attrs={"rows": 3})
    )


class TextForm(_ReleaseForm):
    """A release as YAML, with its version and notes."""

    spec = forms.CharField(
        label=_("What runs"),
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 24, "class": "kc-mono", "spellcheck": "false"}),
        help_text=_("Images are fixed by their digest when it is published."),
    )
    field_order = ["version", "spec", "notes"]


class _Judged:
    """Needed for the reader, who sees no "optional"; whether it is there is said by the release's reader."""

    def validate(self, value: Any) -> None:
        """Leave an empty value to the release's rules."""
        if value not in forms.Field.empty_values:
            super().validate(value)  # type: ignore[misc]


class _Needed(_Judged, forms.CharField):
    pass


def _needed(label: Any, *, help_text: Any = "", most: int = 300, attrs: Mapping[str, str]) -> forms.Field:
    widget = forms.TextInput(attrs=dict(attrs))
    return _Needed(label=label, help_text=help_text, max_length=most, strip=False, widget=widget)


def _text(label: Any, *, help_text: Any = "", most: int = 4096, attrs: Mapping[str, str]) -> forms.Field:
    widget = forms.TextInput(attrs=dict(attrs))
    return forms.CharField(
        label=label, help_text=help_text, required=False, max_length=most, strip=False, widget=widget
    )


def _lines(label: Any, *, help_text: Any = "", most: int = 100_000, rows: int = 1) -> forms.Field:
    widget = forms.Textarea(attrs={"rows": rows, **_MONO})
    return forms.CharField(
        label=label, help_text=help_text, required=False, max_length=most, strip=False, widget=widget
    )


def _choice(label: Any, choices: Iterable[Any]) -> forms.Field:
    # Not judged here: what is not in the list is refused by the release's reader, with what is.
    return forms.CharField(
        label=label, max_length=60, required=False, widget=forms.Select(choices=list(choices))
    )


def _yes(label: Any, help_text: Any = "") -> forms.Field:
    return forms.BooleanField(label=label, help_text=help_text, required=False)


def _row_fields() -> dict[str, dict[str, Any]]:
    return {
        "ports": {
            "name": lambda: _needed(_("Name"), attrs=_MONO),
            "port": lambda: _needed(_("Port"), attrs=_COUNT),
            "protocol": lambda: _choice(_("Protocol"), [(each, each) for each in PROTOCOLS]),
            "service": lambda: _text(_("Port of the Service"), attrs=_COUNT),
        },
        "variables": {
            "name": lambda: _needed(_("Name"), attrs=_MONO),
            "value": lambda: _lines(_("Value"), most=33_000),
        },
        "volumes": {
            "name": lambda: _needed(_("Name"), attrs=_MONO),
            "type": lambda: _choice(_("Type"), VOLUMES),
            "size": lambda: _text(_("Size"), attrs=_MONO),
            "storage_class": lambda: _text(_("Storage class"), attrs=_MONO),
            "path": lambda: _needed(_("Folder"), most=4096, attrs=_MONO),
            "read_only": lambda: _yes(_("Read only")),
        },
    }


def _probe_fields() -> dict[str, forms.Field]:
    return {
        "type": _choice(_("Check"), PROBES),
        "port": _text(_("Port"), help_text=_("Empty: the first port."), attrs=_COUNT),
        "path": _text(_("Path"), attrs=_MONO),
        "service": _text(_("Service"), attrs=_MONO),
        "command": _lines(_("Command")),
        "period": _text(_("Every, in seconds"), attrs=_COUNT),
        "timeout": _text(_("Time-out, in seconds"), attrs=_COUNT),
        "delay": _text(_("First after, in seconds"), attrs=_COUNT),
        "failures": _text(_("Failures until it acts"), attrs=_COUNT),
        "successes": _text(_("Successes until well"), attrs=_COUNT),
    }


class FieldsForm(_ReleaseForm):
    """A release as fields: `FieldsForm(data)` of what a browser sent, `FieldsForm(shown=fields)` to show them."""

    rest = forms.CharField(required=False, widget=forms.HiddenInput)
    image = _needed(
        _("Image"), most=600, help_text=_("Fixed by its digest when the release is published."), attrs=_MONO
    )
    container = _needed(_("Name of the container"), attrs=_MONO)
    command = _lines(
        _("Command"), rows=2, help_text=_("Instead of the image's own. Words with spaces go into quotes.")
    )
    args = _lines(_("Arguments"), rows=2)
    headless = _yes(_("Each pod has its own name (a headless Service)"))
    cpu_request = _text(
        _("CPU, reserved"), help_text=_("For example 250m: a quarter of a core."), attrs=_MONO
    )
    cpu_limit = _text(_("CPU, at most"), attrs=_MONO)
    memory_request = _text(_("Memory, reserved"), help_text=_("For example 64Mi or 2Gi."), attrs=_MONO)
    memory_limit = _text(_("Memory, at most"), attrs=_MONO)
    config_environment = _yes(_("Its keys are environment variables"))
    config_path = _text(
        _("Folder of its files"), help_text=_("For example /etc/app. Empty: not as files."), attrs=_MONO
    )
    kind = _choice(_("Kind"), [(each, each) for each in KINDS])
    least = _text(_("Replicas, at least"), attrs=_COUNT)
    most = _text(
        _("Replicas, at most"),
        help_text=_("A hint for scaling; how many run is said when deploying."),
        attrs=_COUNT,
    )
    grace = _text(_("Time to end, in seconds"), attrs=_COUNT)
    run_as = _text(_("User number"), attrs=_COUNT)
    group = _text(_("Group number of its volumes"), attrs=_COUNT)

    def __init__(
        self, data: Any = None, *, shown: Fields | None = None, initial: dict[str, Any] | None = None
    ) -> None:
        flat = shown.flat() if shown else {}
        super().__init__(data, initial={**(initial or {}), **flat, "rest": pack(shown.rest if shown else {})})
        self.shown = shown or posted(data or {}, unpack(data.get("rest", "") if data else ""))
        for group, keys in _row_fields().items():
            for number in range(rows_in(data if data is not None else flat, group)):
                self.fields |= {f"{group}-{number}-{key}": make() for key, make in keys.items()}
        for probe in PROBE_NAMES:
            self.fields |= {f"{probe}-{part}": made for part, made in _probe_fields().items()}

    def show_problems(self, problems: Iterable[tuple[str, Problem]]) -> None:
        """Put each problem on its field, with the remedy; on the whole form what no field holds, with its place."""
        for name, problem in problems:
            text = f"{problem.message_in(gettext)} {problem.remedy_in(gettext)}".strip()
            if name not in self.fields:
                self.add_error(None, f"{problem.path}: {text}" if problem.path else text)
            elif text not in self.errors.get(name, []):
                self.add_error(name, text)

    # --- for the page ------------------------------------------------------------------------------------

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Each group's rows with their inputs."""
        return {
            group: [
                {"number": number, **{key: self[f"{group}-{number}-{key}"] for key in keys}}
                for number in range(len(self.shown.rows[group]))
            ]
            for group, keys in ROWS.items()
        }

    def probes(self) -> list[dict[str, Any]]:
        """Each probe with its inputs."""
        return [
            {
                "name": name,
                "title": PROBE_TITLES[name],
                "hint": PROBE_HINTS[name],
                **{part: self[f"{name}-{part}"] for part in PROBE_PARTS},
            }
            for name in PROBE_NAMES
        ]


def pack(rest: Any) -> str:
    """The parts that have no field, for a hidden input: signed, since they come back unseen."""
    return signing.dumps(rest, salt=_SALT, compress=True) if rest else ""


def unpack(text: str) -> dict[str, Any]:
    """What `pack` made. Raises SuspiciousOperation when somebody changed it on its way."""
    try:
        return dict(signing.loads(text, salt=_SALT)) if text else {}
    except signing.BadSignature as error:
        raise SuspiciousOperation("The hidden part of the form is not what was sent.") from error
