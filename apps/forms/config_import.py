"""The form of an import of configuration: the format and the text, typed or in a file."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.configuring import exchange

FORMATS = [
    (exchange.ENV, ".env"),
    (exchange.PROPERTIES, "properties"),
    (exchange.JSON, "JSON"),
    (exchange.YAML_FORMAT, "YAML"),
]


class ConfigImportForm(forms.Form):
    """The text wins when both are given."""

    format = forms.ChoiceField(label=_("Format"), choices=FORMATS)
    file = forms.FileField(label=_("File"), required=False)
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        strip=False,
        max_length=exchange.MOST_BYTES,
        widget=forms.Textarea(
            attrs={"rows": 12, "class": "kc-mono", "spellcheck": "false", "autocomplete": "off"}
        ),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=500)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        upload = given.get("file")
        if not given.get("text") and upload is not None:
            given["text"] = self._read(upload)
        if not given.get("text") and not self.errors:
            self.add_error("text", _now("Choose a file, or paste its text."))
        # Browsers send text areas with CR LF.
        given["text"] = (given.get("text") or "").replace("\r\n", "\n")
        return given

    def _read(self, upload: Any) -> str:
        if upload.size > exchange.MOST_BYTES:
            self.add_error("file", _now("The file is too large."))
            return ""
        try:
            return str(upload.read().decode())
        except UnicodeDecodeError:
            self.add_error("file", _now("The file is not text."))
            return ""
