"""Every column that holds sealed secrets, told by the app that owns it, so that an exchange of the master key finds
them all. A test compares this list with the models: a sealed column nobody told of fails it.

    know(SealedColumn("clusters.Credential", "sealed_secret", lambda row: credential_identity(row.name)))
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models


@dataclass(frozen=True)
class SealedColumn:
    """One column: model ("clusters.Credential"), field, and what a row's secret is sealed for. With `key` the field is
    JSON and the secret is base64 text under that key; rows without it are passed by, as are empty ones."""

    model: str
    field: str
    identity: Callable[[Any], str]
    key: str = ""

    @property
    def name(self) -> str:
        return ".".join(part for part in (self.model, self.field, self.key) if part)

    def rows(self) -> models.QuerySet[Any]:
        found: models.QuerySet[Any] = apps.get_model(self.model)._default_manager.order_by("pk")
        return found

    def sealed(self, row: Any) -> bytes:
        """The ciphertext in the row; empty when it has none."""
        value = getattr(row, self.field)
        if self.key:
            return base64.b64decode(value.get(self.key, "") if value else "")
        return bytes(value or b"")

    def replace(self, row: Any, sealed: bytes) -> bool:
        """Write the new ciphertext unless somebody changed the row meanwhile; whether it was written."""
        old = getattr(row, self.field)
        new: Any = sealed
        if self.key:
            new = {**old, self.key: base64.b64encode(sealed).decode()}
        return bool(self.rows().filter(pk=row.pk, **{self.field: old}).update(**{self.field: new}))


_COLUMNS: dict[str, SealedColumn] = {}


def know(column: SealedColumn) -> None:
    """Have the column taken along when the master key is exchanged."""
    _COLUMNS[column.name] = column


def known() -> list[SealedColumn]:
    """All of them, by name."""
    return [_COLUMNS[name] for name in sorted(_COLUMNS)]
