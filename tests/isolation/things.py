"""One of each thing that an address can be about, all of the tenant under test."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from clusters.models import Cluster, Environment
from kcloud_site.operations.models import Operation, State

# Values of parameters where nothing belongs to a tenant: names that nothing has, so that only rights are asked.
OWN: dict[str, Any] = {
    "name": "nothing",
    "node": "nothing",
    "pk": 999_999,
    "provider_id": "nothing",
    "uidb36": "nobody",
    "key": "0-0",
}


def make_things(tenant: Any, operator: Any) -> dict[str, dict[str, Any]]:
    """Parameters of each thing's addresses, by the name that expectations call it by."""
    operation = Operation.objects.create(
        kind="clusters.deploy",
        subject_type="clusters.environment",
        subject_id="1",
        subject_name="retail-dev",
        requested_by_name="operator",
        state=State.FAILED,
        tenant=tenant,
    )
    cluster = Cluster.objects.create(name="somewhere", state=Cluster.State.READY)
    environment = Environment.objects.create(
        tenant=tenant,
        cluster=cluster,
        name="dev",
        namespace="retail-dev",
        state="ready",
        ready_at=timezone.now(),
    )
    return {
        "operation": {"pk": operation.pk},
        "audited": {"label": "operations.operation", "identity": operation.pk},
        "environments": {"tenant": tenant.name},
        "environment": {"tenant": tenant.name, "name": environment.name},
    }
