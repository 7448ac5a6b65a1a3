"""The pods of a workload as the watch saw them last: what pages show without asking a cluster."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.workloads import Workload
from kcloud_site.tenants.models import Tenant


def _none() -> list[Any]:
    return []


class SeenPods(models.Model):
    """`rows`: clusters.observing.pods.SeenPod.as_row, the unwell first, at most MOST of `total`.

    One row holds them, because the watch replaces them and pages read them as a whole. MOST is twice what a workload
    can be scaled to: a rollout has old and new pods side by side.
    """

    MOST = 2000

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    workload = models.OneToOneField(Workload, on_delete=models.CASCADE, related_name="seen_pods")
    rows = models.JSONField(default=_none)
    total = models.PositiveIntegerField(default=0)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("pods as seen last")
        verbose_name_plural = _("pods as seen last")
