"""Environments as the quota sees them: rows whose sum is what a tenant has carved out."""

from django.db import transaction
from django.utils import timezone

from clusters.selectors import quotas as reading
from clusters.services import quotas
from kcloud_site.tenants.models import Loan
from kcloud_site.tenants.resources import Resources

GIB = 1024**3
ROOM = Resources(cpu=8000, memory=16 * GIB, storage=100 * GIB, pods=50, gpus=1)
SHARE = Resources(cpu=2000, memory=4 * GIB, storage=10 * GIB, pods=10)


def rows():
    """Stand-ins with the same columns."""
    return Loan.objects.filter(ended_at__isnull=False, reason="environment")


def stand_in(monkeypatch):
    monkeypatch.setattr(reading, "carved_rows", rows)


def carve(tenant, share=SHARE):
    """What making an environment does to the quota."""
    with transaction.atomic():
        quotas.reserve(tenant=tenant, share=share)
        now = timezone.now()
        return Loan.objects.create(
            tenant=tenant, **share.parts(), reason="environment", ends_at=now, ended_at=now
        )


def remove(environment):
    environment.delete()


def resize(environment, share):
    with transaction.atomic():
        quotas.reserve(tenant=environment.tenant, share=share, instead_of=environment.resources)
        type(environment).objects.filter(pk=environment.pk).update(**share.parts())
    environment.refresh_from_db()
