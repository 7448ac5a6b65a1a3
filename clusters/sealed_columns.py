"""The sealed columns of this app, for the exchange of the master key (kcloud_site.tenants.sealed_columns)."""

from __future__ import annotations

from clusters.access import credential_identity, fencing_identity, token_identity
from clusters.models import ClusterSecret, Credential
from kcloud_site.tenants.sealed_columns import SealedColumn, know


def _of_credential(row: Credential) -> str:
    return credential_identity(row.name)


def _of_cluster_secret(row: ClusterSecret) -> str:
    return f"clusters.ClusterSecret:{row.cluster_id}:{row.name}"


def tell() -> None:
    """Called once, when the app is ready."""
    know(SealedColumn("clusters.Credential", "sealed_secret", _of_credential))
    know(SealedColumn("clusters.ClusterSecret", "sealed", _of_cluster_secret))
    know(SealedColumn("clusters.FencingMethod", "sealed_secret", fencing_identity))
    know(SealedColumn("clusters.Environment", "sealed_token", token_identity))
