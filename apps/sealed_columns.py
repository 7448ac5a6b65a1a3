"""The sealed columns of this app, for the exchange of the master key (kcloud_site.tenants.sealed_columns)."""

from __future__ import annotations

from apps.access import secrets_identity
from apps.models import RegistryCredential, RegistrySecret
from kcloud_site.tenants.sealed_columns import SealedColumn, know


def _of_registry_secret(row: RegistrySecret) -> str:
    return row.identity


def _of_registry_credential(row: RegistryCredential) -> str:
    return row.identity


def tell() -> None:
    """Called once, when the app is ready."""
    know(SealedColumn("apps.ConfigRevision", "sealed", secrets_identity))
    know(SealedColumn("apps.RegistryCredential", "sealed", _of_registry_credential))
    know(SealedColumn("apps.RegistrySecret", "sealed", _of_registry_secret))
