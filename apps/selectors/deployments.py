"""Reads what was deployed: the list, one of it, what an undo goes back to, and what is kept out."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.models import Deployment, Pin, Workload
from kcloud_site.operations.models import ACTIVE, Operation
from kcloud_site.tenants.models import Tenant


def deployments_of(workload: Workload) -> QuerySet[Deployment]:
    """All, newest first."""
    rows = Deployment.objects.filter(workload=workload).select_related("release", "workload__app", "tenant")
    return rows.order_by("-number")


def pins_of(workload: Workload) -> QuerySet[Pin]:
    """Releases kept out there now."""
    rows = Pin.objects.filter(workload_id=workload.pk, lifted_at__isnull=True)
    return rows.select_related("release", "workload")


def binned(tenant: Tenant) -> QuerySet[Workload]:
    """What waits in the tenant's bin, the next to go first."""
    rows = Workload.objects.filter(tenant=tenant, binned_at__isnull=False)
    return rows.select_related("app", "environment", "release", "tenant").order_by("purge_at")


def operation_of(deployment: Deployment) -> Operation | None:
    """Its operation, unless that was pruned."""
    if deployment.operation_id is None:
        return None
    return Operation.objects.filter(pk=deployment.operation_id).defer("inputs").first()


def is_active(deployment: Deployment) -> bool:
    """Whether it is still being carried out."""
    found = operation_of(deployment)
    return found is not None and found.state in ACTIVE
