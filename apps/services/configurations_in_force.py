"""Keeps the states of configuration revisions true to what runs: a return or an undo changes that, too."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import gettext as _

from apps.models import ConfigRevision, Workload
from apps.selectors.configurations import State, subject_of
from kcloud_site.audit import trail


def follow_workload(workload: Workload, reason: Mapping[str, str] | None = None) -> None:
    """Make the workload's revision the published one. `reason`: why another one gave way by itself; it is withdrawn."""
    wanted = Workload.objects.filter(pk=workload.pk).values_list("config_revision", flat=True).first()
    rows = ConfigRevision.objects.filter(app_id=workload.app_id, environment_id=workload.environment_id)
    others = rows.filter(state=State.PUBLISHED).exclude(number=wanted or 0)
    for other in others.select_related("app", "environment"):
        state = State.WITHDRAWN if reason else State.SUPERSEDED
        ConfigRevision.objects.filter(pk=other.pk).update(state=state, reason=dict(reason or {}))
        if reason:
            trail.record(
                by=None,
                action="configuration.withdraw",
                subject=subject_of(other),
                reason=_("It gave way by itself: %(what)s") % {"what": reason.get("what", "")},
            )
    rows.filter(number=wanted or 0).exclude(state=State.PUBLISHED).update(state=State.PUBLISHED, reason={})
