"""What the end of an operation means for its environment: called once, in the transaction that ends the operation."""

from __future__ import annotations

from typing import Any

from django.db.models import F
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from clusters.models import Environment
from clusters.selectors.environments import TYPE, subject_of
from clusters.services import applying, environments
from kcloud_site.audit import trail
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import Grant
from kcloud_site.tenants.services import grants

_TOLD = ("what", "why", "remedy")


def changed(operation: Operation) -> None:
    """The end of making, resizing, freezing, thawing or repairing."""
    applying.follow(operation)
    environment = _environment(operation)
    if environment is None:
        return
    rows = Environment.objects.filter(pk=environment.pk)
    if operation.state == State.SUCCEEDED:
        settled = Environment.State.FROZEN if environment.frozen else Environment.State.READY
        rows.update(state=settled, state_reason={}, drift=[], ready_at=Coalesce("ready_at", Now()))
    elif operation.state == State.FAILED:
        reason = {key: str(operation.failure.get(key, "")) for key in _TOLD}
        rows.update(state=Environment.State.FAILED, state_reason=reason)
    elif operation.kind == environments.CREATE:
        _clean_up(environment, operation)
    else:
        # Nobody goes on with a request that was taken back: its number is no longer the row's.
        rows.update(**operation.inputs["before"], generation=F("generation") + 1)


def removed(operation: Operation) -> None:
    """The end of a removal. Once the cluster was asked to delete the namespace there is no way back but to go on."""
    environment = _environment(operation)
    if environment is None:
        return
    if operation.state == State.SUCCEEDED:
        subject, cluster = subject_of(environment), environment.cluster
        for grant in Grant.objects.filter(object_type=TYPE, object_id=subject.id, ended_at__isnull=True):
            grants.end_grant(grant=grant, by=None, reason=_("The environment is gone."))
        trail.record(by=None, action="environment.removed", subject=subject, operation=operation)
        environment.delete()
        environments.keep_looking(cluster)
        return
    reason: dict[str, Any] = {key: str(operation.failure.get(key, "")) for key in _TOLD}
    if operation.state == State.CANCELLED:
        reason = {
            "what": _("Its removal was cancelled."),
            "why": _("The cluster may be deleting the namespace already."),
            "remedy": _("Resume the removal to bring it to an end."),
        }
    Environment.objects.filter(pk=environment.pk).update(state_reason=reason)


def _environment(operation: Operation) -> Environment | None:
    """The environment, unless something newer was asked for."""
    rows = Environment.objects.select_related("cluster", "tenant")
    return rows.filter(pk=operation.subject_id, generation=operation.inputs["generation"]).first()


def _clean_up(environment: Environment, operation: Operation) -> None:
    """A creation was cancelled: what it made goes again."""
    generation = environment.generation + 1
    Environment.objects.filter(pk=environment.pk).update(
        state=Environment.State.REMOVING, generation=generation
    )
    operations.request_operation(
        kind=environments.REMOVE,
        subject=subject_of(environment),
        by=operation.requested_by,
        inputs={"generation": generation, "give_up": False},
        reason=_("Its creation was cancelled."),
        parent=operation,
    )
