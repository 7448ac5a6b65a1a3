"""The bin: a removed workload's pods are gone, everything else waits for a while and can come back.

Release, configuration revisions and rules stay as rows, volumes as claims on the cluster, until the time is up
(`empty_due`, by the clock) or somebody empties the bin. Errors as in apps.services.deployments.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.errors import ValueRefused, WorkloadRefused
from apps.models import Deployment, Workload
from apps.selectors.workloads import nothing_deployed
from apps.services import deployments
from kcloud_site.operations.errors import SubjectBusy

GRACE = timedelta(days=7)


def remove_workload(*, workload: Workload, by: Any, confirm_name: str, note: str = "") -> Deployment:
    """To the bin: pods, Service and configuration objects go from the cluster, volumes and history stay for GRACE."""
    _refuse_wrong_name(workload, confirm_name)
    deployments.check_environment(workload.environment)
    if workload.binned_at is not None:
        raise deployments.in_bin(workload)
    now = timezone.now()
    fields = {"binned_at": now, "purge_at": now + GRACE}
    with transaction.atomic():
        return deployments.change(
            workload, Deployment.Action.REMOVE, by, fields, note=note, kind=deployments.REMOVE
        )


def restore_workload(*, workload: Workload, by: Any, note: str = "") -> Deployment:
    """Out of the bin: as it ran before, with the volumes it had."""
    deployments.check_environment(workload.environment)
    if workload.binned_at is None:
        raise WorkloadRefused(_("It is not in the bin."), "", _("There is nothing to take out."))
    if workload.release_id is None:
        raise nothing_deployed(workload)
    fields = {"binned_at": None, "purge_at": None}
    with transaction.atomic():
        return deployments.change(workload, Deployment.Action.RESTORE, by, fields, note=note)


def empty_bin(*, workload: Workload, by: Any, confirm_name: str) -> Deployment:
    """Delete its volumes and forget it: there is no way back."""
    _refuse_wrong_name(workload, confirm_name)
    return _empty(workload, by)


def empty_due(now: datetime) -> int:
    """By the clock: what has waited its time. Answers how many operations were asked for."""
    asked = 0
    rows = Workload.objects.filter(binned_at__isnull=False, purge_at__lte=now)
    for workload in rows.select_related("app", "environment", "tenant")[:100]:
        try:
            _empty(workload, None)
            asked += 1
        except (SubjectBusy, WorkloadRefused):
            continue  # the next turn of the clock tries again
    return asked


def _empty(workload: Workload, by: Any) -> Deployment:
    if workload.binned_at is None:
        raise WorkloadRefused(
            _("It is not in the bin."), "", _("Remove it first; then it can be taken back for seven days.")
        )
    with transaction.atomic():
        return deployments.change(workload, Deployment.Action.REMOVE, by, {}, kind=deployments.EMPTY)


def _refuse_wrong_name(workload: Workload, typed: str) -> None:
    name = workload.app.name
    if typed != name:
        raise ValueRefused(
            "name",
            _("The name typed is not the application's."),
            "",
            _("Type %(name)s to confirm.") % {"name": name},
        )
