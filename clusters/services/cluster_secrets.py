"""Keys, certificates and kubeconfigs of a cluster, sealed for the row they belong to.

`put` stores or replaces, `get` opens one (SecretMissing), `everything` opens all. Values are never logged or audited.
"""

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from clusters.errors import ClusterError
from clusters.models import Cluster, ClusterSecret
from kcloud_site.tenants import encryption


class SecretMissing(ClusterError):
    """The cluster has no secret of this name."""


def put(cluster: Cluster, name: str, data: bytes) -> None:
    """Store `data` under `name`, instead of what was there."""
    sealed = encryption.seal(data, identity=_identity(cluster, name))
    ClusterSecret.objects.update_or_create(cluster=cluster, name=name, defaults={"sealed": sealed})


def put_all(cluster: Cluster, secrets: Mapping[str, bytes]) -> None:
    """Store several at once, all or none."""
    with transaction.atomic():
        for name, data in secrets.items():
            put(cluster, name, data)


def get(cluster: Cluster, name: str) -> bytes:
    """The secret. Raises SecretMissing, or SecretUnreadable when the master key is another one."""
    row = ClusterSecret.objects.filter(cluster=cluster, name=name).first()
    if row is None:
        raise SecretMissing(
            _("Cluster %(cluster)s has no secret %(name)s.") % {"cluster": cluster.name, "name": name},
            remedy=_("Deploy the cluster, or import it again."),
        )
    return _open(cluster, row)


def everything(cluster: Cluster) -> dict[str, bytes]:
    """All secrets of the cluster, by name."""
    return {row.name: _open(cluster, row) for row in ClusterSecret.objects.filter(cluster=cluster)}


def names(cluster: Cluster) -> list[str]:
    """What secrets there are, sorted."""
    return sorted(ClusterSecret.objects.filter(cluster=cluster).values_list("name", flat=True))


def forget_all(cluster: Cluster) -> None:
    """Drop every secret: the cluster they opened is gone."""
    ClusterSecret.objects.filter(cluster=cluster).delete()


def _open(cluster: Cluster, row: ClusterSecret) -> bytes:
    return encryption.unseal(bytes(row.sealed), identity=_identity(cluster, row.name))


def _identity(cluster: Cluster, name: str) -> str:
    return f"clusters.ClusterSecret:{cluster.pk}:{name}"
