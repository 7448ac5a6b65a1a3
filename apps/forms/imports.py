"""The form of an import: what kind of file, its text, the version of the releases to be."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.importing.documents import SIZE_LIMIT
from apps.models import Release


class ImportForm(forms.Form):
    """A file or a text; the text wins when both are given."""

    SOURCES = [
        (Release.Source.COMPOSE.value, _("Compose file")),
        (Release.Source.MANIFESTS.value, _("Kubernetes manifests")),
    ]

    source = forms.ChoiceField(label=_("What it is"), choices=SOURCES)
    file = forms.FileField(label=_("File"), required=False)
    text = forms.CharField(
        label=_("Or its text"),
        required=False,
        max_length=SIZE_LIMIT,
        widget=forms.Textarea(attrs={"rows": 16, "class": "kc-mono", "spellcheck": "false"}),
    )
    version = forms.CharField(
        label=_("Version"), max_length=64, initial="1.0", help_text=_("Of the releases that are made.")
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        upload = given.get("file")
        if not given.get("text") and upload is not None:
            if upload.size > SIZE_LIMIT:
                self.add_error("file", _now("The file is too large."))
                return given
            try:
                given["text"] = upload.read().decode()
            except UnicodeDecodeError:
                self.add_error("file", _now("The file is not text."))
        if not given.get("text") and not self.errors:
            self.add_error("text", _now("Choose a file, or paste its text."))
        return given
