"""Environments as the quota sees them: rows whose sum is what a tenant has carved out."""

from django.db import transaction

from clusters.models import Cluster, Environment
from clusters.services import quotas
from kcloud_site.tenants.resources import Resources

GIB = 1024**3
ROOM = Resources(cpu=8000, memory=16 * GIB, storage=100 * GIB, pods=50, gpus=1)
SHARE = Resources(cpu=2000, memory=4 * GIB, storage=10 * GIB, pods=10)


def cluster(name="east"):
    """A cluster that serves."""
    return Cluster.objects.get_or_create(name=name, defaults={"state": Cluster.State.READY})[0]


def carve(tenant, share=SHARE, name="", **fields):
    """What making an environment does to the quota, without a cluster behind it."""
    name = name or f"env{Environment.objects.count()}"
    with transaction.atomic():
        quotas.reserve(tenant=tenant, share=share)
        taken = Environment.objects.filter(tenant=tenant, name__startswith=name).count()
        name = f"{name}x{taken}" if taken else name
        return Environment.objects.create(
            tenant=tenant,
            cluster=cluster(),
            name=name,
            namespace=f"{tenant.name}-{name}",
            **{"state": Environment.State.READY, **fields},
            **share.parts(),
        )


def remove(environment):
    environment.delete()


def resize(environment, share):
    with transaction.atomic():
        quotas.reserve(tenant=environment.tenant, share=share, instead_of=environment.resources)
        Environment.objects.filter(pk=environment.pk).update(**share.parts())
    environment.refresh_from_db()
