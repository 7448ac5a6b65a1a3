"""Environments: made, resized, frozen, thawed, repaired and removed. Each request is an operation on the cluster.

A request changes the row (what should be) and asks for the operation (clusters.services.environment_steps) in one
transaction; clusters.services.environment_ends says what its end means. `generation` ties them: an operation whose
number is not the row's any more changes nothing.

Errors: ValueRefused names the field; QuotaExceeded; EnvironmentRefused; SubjectBusy while an operation is at work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from clusters.errors import EnvironmentRefused, ValueRefused
from clusters.models import Cluster, Environment
from clusters.selectors.environments import subject_of, told
from clusters.services import environment_rules as rules
from clusters.services import quotas
from kcloud_site.audit import trail
from kcloud_site.operations import due
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.resources import Resources

CREATE, RESIZE = "clusters.environment_create", "clusters.environment_resize"
FREEZE, THAW = "clusters.environment_freeze", "clusters.environment_thaw"
REPAIR, REMOVE = "clusters.environment_repair", "clusters.environment_remove"

LOOK_EVERY = 60  # seconds
State = Environment.State


def create_environment(
    *,
    tenant: Tenant,
    cluster: Cluster,
    name: str,
    stage: str,
    share: Resources,
    by: Any,
    protected: bool | None = None,
    reason: str = "",
) -> Environment:
    """Carve `share` out of the tenant's quota and ask for the namespace "<tenant>-<name>" on the cluster. Production is
    protected unless `protected` says otherwise."""
    name = name.strip()
    rules.check_new(tenant, cluster, name, stage)
    rules.check_share(share)
    try:
        with transaction.atomic():
            quotas.reserve(tenant=tenant, share=share)
            made = Environment(
                tenant=tenant,
                cluster=cluster,
                name=name,
                stage=stage,
                namespace=f"{tenant.name}-{name}",
                protected=stage == Environment.Stage.PROD if protected is None else protected,
                created_by=trail.Actor.of(by).name,
                **share.parts(),
            )
            made.save(force_insert=True)
            operation = operations.request_operation(
                kind=CREATE, subject=subject_of(made), by=by, inputs={"generation": 1}, reason=reason
            )
            _record(made, by, "environment.create", after=told(made), reason=reason, operation=operation)
            keep_looking(cluster)
    except IntegrityError as error:
        raise rules.name_taken(tenant, cluster, name) from error
    return made


def resize_environment(
    *, environment: Environment, share: Resources, by: Any, reason: str = ""
) -> Operation | None:
    """Another share of the tenant's quota; never less than what runs uses. None: it has that share already."""
    rules.check_share(share)
    rules.refuse_unless(environment, State.READY, State.DRIFTED, State.FAILED)
    rules.refuse_below_use(environment, share)
    with transaction.atomic():
        before = Environment.objects.select_for_update().get(pk=environment.pk).resources
        if share == before:
            return None
        quotas.reserve(tenant=environment.tenant, share=share, instead_of=before)
        return _change(environment, RESIZE, by, reason, fields=share.parts())


def freeze_environment(*, environment: Environment, by: Any, reason: str = "") -> Operation:
    """Hold everything as it is: what runs goes on and is replaced when it dies, nothing new starts, and the portal's
    account may only look."""
    rules.refuse_unless(environment, State.READY, State.DRIFTED, State.FAILED)
    with transaction.atomic():
        return _change(environment, FREEZE, by, reason, fields={"frozen": True})


def thaw_environment(*, environment: Environment, by: Any, reason: str = "") -> Operation:
    """Let it be changed again."""
    if not environment.frozen:
        raise EnvironmentRefused(
            _("%(name)s is not frozen.") % {"name": environment.namespace}, "", _("There is nothing to thaw.")
        )
    rules.refuse_unless(environment, State.FROZEN, State.DRIFTED, State.FAILED)
    with transaction.atomic():
        return _change(environment, THAW, by, reason, fields={"frozen": False})


def repair_environment(*, environment: Environment, by: Any, reason: str = "") -> Operation:
    """Apply everything again as it should be. `by` is a person, or the Actor of the rule that found a difference."""
    rules.refuse_unless(environment, State.READY, State.FROZEN, State.DRIFTED, State.FAILED)
    with transaction.atomic():
        return _change(environment, REPAIR, by, reason)


def remove_environment(
    *, environment: Environment, by: Any, confirm_name: str, give_up: bool = False, reason: str = ""
) -> Operation:
    """Delete the namespace with everything in it, also its volumes; so its name is asked for.

    `give_up`: when the cluster cannot be reached, forget the environment and leave there what is there."""
    if confirm_name != environment.namespace:
        raise ValueRefused(
            "name",
            _("The name typed is not the environment's."),
            _("Removing deletes everything in %(name)s.") % {"name": environment.namespace},
            _("Type %(name)s to confirm.") % {"name": environment.namespace},
        )
    if environment.protected:
        raise EnvironmentRefused(
            _("%(name)s is protected.") % {"name": environment.namespace},
            _("A protected environment cannot be removed."),
            _("Lift its protection first, if it really is to go."),
        )
    with transaction.atomic():
        return _change(environment, REMOVE, by, reason, state=State.REMOVING, more={"give_up": give_up})


@transaction.atomic
def protect_environment(*, environment: Environment, protected: bool, by: Any, reason: str = "") -> None:
    """Guard it against removal, or lift that."""
    rows = Environment.objects.filter(pk=environment.pk)
    if rows.exclude(protected=protected).update(protected=protected):
        action = "environment.protect" if protected else "environment.unprotect"
        _record(environment, by, action, reason=reason)
    environment.refresh_from_db()


@transaction.atomic
def set_repair(*, environment: Environment, repair: str, by: Any, reason: str = "") -> None:
    """Whether differences are repaired by themselves or wait for a person (Environment.Repair)."""
    before = environment.repair
    if Environment.objects.filter(pk=environment.pk).exclude(repair=repair).update(repair=repair):
        told_before, told_after = {"repair": before}, {"repair": repair}
        _record(
            environment, by, "environment.repair_mode", before=told_before, after=told_after, reason=reason
        )
    environment.refresh_from_db()


def keep_looking(cluster: Cluster) -> None:
    """Have the cluster's environments looked at, again and again; not any more when there are none."""
    name = f"clusters.environments:{cluster.pk}"
    if cluster.environments.exists():
        arguments = {"cluster_pk": cluster.pk}
        due.ensure_due(
            name=name, job="clusters.jobs.look_after_environments", every=LOOK_EVERY, arguments=arguments
        )
    else:
        due.remove_due(name=name)


def _change(
    environment: Environment,
    kind: str,
    by: Any,
    reason: str,
    *,
    fields: Mapping[str, Any] | None = None,
    state: str = State.UPDATING,
    more: Mapping[str, Any] | None = None,
) -> Operation:
    """The row as it should be from now on, and the operation that makes it so. `before` is for taking it back."""
    now = Environment.objects.select_related("tenant", "cluster").get(pk=environment.pk)
    wanted = dict(fields or {})
    kept = {name: getattr(now, name) for name in (*wanted, "state", "state_reason")}
    generation = now.generation + 1
    operation = operations.request_operation(
        kind=kind,
        subject=subject_of(now),
        by=by,
        inputs={"generation": generation, "before": kept, **(more or {})},
        reason=reason,
    )
    Environment.objects.filter(pk=now.pk).update(
        **wanted, state=state, state_reason={}, generation=generation
    )
    action = f"environment.{kind.rpartition('_')[2]}"
    before = told(now)
    environment.refresh_from_db()
    _record(
        environment, by, action, before=before, after=told(environment), reason=reason, operation=operation
    )
    return operation


def _record(environment: Environment, by: Any, action: str, **told_more: Any) -> None:
    trail.record(by=by, action=action, subject=subject_of(environment), **told_more)
