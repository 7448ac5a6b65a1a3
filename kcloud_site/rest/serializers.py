"""Serializers as the API uses them: `spec` is what is wanted, `status` what is there; nothing unknown is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers


class Strict(serializers.Serializer[Any]):
    """Refuses fields it does not know, or that only the portal sets: a misspelt name must not pass unnoticed."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            writable = [name for name, field in self.fields.items() if not field.read_only]
            wrong = [str(name) for name in data if name not in writable]
            if wrong:
                text = _("There is no such field to set. Fields: %(names)s.") % {"names": ", ".join(writable)}
                raise serializers.ValidationError({name: [text] for name in wrong})
        return super().to_internal_value(data)


class Reason(Strict):
    """Why a change is made; it stands in the audit trail."""

    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
