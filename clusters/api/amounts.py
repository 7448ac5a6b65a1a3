"""Amounts in the API: five quantities as Kubernetes writes them ("500m", "2Gi"). Read as a dict of the parts that were
told, each in the part's own unit (kcloud_site.tenants.resources); shown from a `Resources`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.fields import empty

from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants.resources import EXAMPLES, PARTS, QuantityInvalid, Resources, parse


class QuantityField(serializers.CharField):
    """One part of an amount. A number is taken as well as its text."""

    def __init__(self, *, part: str, **options: Any) -> None:
        self.part = part
        super().__init__(max_length=40, help_text=f"For example {EXAMPLES[part]}.", **options)

    def run_validation(self, data: Any = empty) -> Any:
        """The text is checked as text; then it is read."""
        text = super().run_validation(data)
        try:
            return parse(self.part, text)
        except QuantityInvalid as error:
            said = {
                "negative": _("It cannot be less than nothing. Write %(examples)s."),
                "too-large": _("That is more than any cluster has. Write %(examples)s."),
            }.get(error.code, _("This is not an amount. Write %(examples)s."))
            raise serializers.ValidationError(said % {"examples": EXAMPLES[self.part]}) from error


class AmountSerializer(Strict):
    """Parts that are left out are 0 where something is made, and stay as they are where something is changed."""

    cpu = QuantityField(part="cpu", required=False)
    memory = QuantityField(part="memory", required=False)
    storage = QuantityField(part="storage", required=False)
    pods = QuantityField(part="pods", required=False)
    gpus = QuantityField(part="gpus", required=False)

    def to_representation(self, instance: Any) -> dict[str, str]:
        return instance.to_json() if isinstance(instance, Resources) else dict(instance)


class WholeAmountSerializer(AmountSerializer):
    """Every part has to be told: for what replaces another amount."""

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        for field in fields.values():
            field.required = True
        return fields


def amount(told: Mapping[str, int], instead_of: Resources | None = None) -> Resources:
    """The amount that was told, on top of another where one is changed."""
    return Resources(**{**(instead_of or Resources()).parts(), **told})


def places(where: str) -> dict[str, str]:
    """Where in a request's body a service finds each part at fault."""
    return {part: f"{where}/{part}" for part in PARTS}
