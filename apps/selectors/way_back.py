"""Where self-healing can take a workload back to: what last worked there and is not what runs now."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from apps.models import Deployment, Pin, Release, Workload


@dataclass(frozen=True)
class Good:
    """A release that was available there, with the number of its configuration revision."""

    release: Release
    config_revision: int | None


def way_back(workload: Workload) -> Good | None:
    """The good one that is kept; or, once what runs now was available for a moment and counts as good itself, the
    newest deployment before it that ended well. Releases that are kept out are left out."""
    pinned = Pin.objects.filter(workload=workload, lifted_at__isnull=True).values_list(
        "release_id", flat=True
    )
    now = (workload.release_id, workload.good_config_revision, workload.config_revision)
    good = workload.good_release
    if good is not None and (good.pk, now[1]) != (now[0], now[2]) and good.pk not in set(pinned):
        return Good(good, workload.good_config_revision)
    rows = Deployment.objects.filter(
        ~Q(release_id=workload.release_id) | ~_same_settings(workload),
        workload=workload,
        state=Deployment.State.SUCCEEDED,
        release__isnull=False,
        replicas__gt=0,
    )
    rows = rows.exclude(release__in=pinned).exclude(action=Deployment.Action.STOP)
    found = rows.select_related("release").order_by("-number").first()
    if found is None or found.release is None:
        return None
    return Good(found.release, found.config_revision)


def _same_settings(workload: Workload) -> Q:
    if workload.config_revision is None:
        return Q(config_revision__isnull=True)
    return Q(config_revision=workload.config_revision, config_revision__isnull=False)
