"""The demo's environments: three for retail, one for logistics, each carved out of its tenant's quota."""

from __future__ import annotations

from collections.abc import Callable

from clusters.models import Cluster, Environment
from clusters.selectors.environments import recent_operations
from clusters.services import environments, quotas
from kcloud_site.demo import people
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import Quota, Tenant, User
from kcloud_site.tenants.resources import Resources

GIB = 2**30
TOTAL = Resources(cpu=4000, memory=8 * GIB, storage=40 * GIB, pods=60)
SMALL = Resources(cpu=500, memory=1 * GIB, storage=2 * GIB, pods=10)
LARGE = Resources(cpu=1000, memory=2 * GIB, storage=5 * GIB, pods=20)
WANTED = (
    ("retail", "dev", "dev", SMALL),
    ("retail", "test", "test", SMALL),
    ("retail", "prod", "prod", LARGE),
    ("logistics", "dev", "dev", SMALL),
)
Say = Callable[[str, float | None], None]
Wait = Callable[[Operation, Say], None]


def make_environments(*, cluster: Cluster, by: User, say: Say, wait: Wait) -> None:
    """Those that are not there yet; a failed creation is resumed. `wait(operation, say)` follows one to its end."""
    for number, (tenant_name, name, stage, share) in enumerate(WANTED):
        say(f"{tenant_name}-{name}", number / len(WANTED))
        tenant = _tenant(tenant_name, by)
        made = Environment.objects.filter(tenant=tenant, name=name).first()
        if made is None:
            made = environments.create_environment(
                tenant=tenant, cluster=cluster, name=name, stage=stage, share=share, by=by, reason="make demo"
            )
        if made.ready_at is None:
            wait(_creation(made, by), say)


def _tenant(name: str, by: User) -> Tenant:
    tenant = people.ensure_tenant(name, by)
    if not Quota.objects.filter(tenant=tenant, pods__gt=0).exists():
        quotas.set_total(tenant=tenant, total=TOTAL, by=by, reason="make demo")
    return tenant


def _creation(made: Environment, by: User) -> Operation:
    (newest,) = recent_operations(made, 1)
    if newest.state in (State.FAILED, State.CANCELLED):
        return operations.resume_operation(operation=newest, by=by)
    return newest
