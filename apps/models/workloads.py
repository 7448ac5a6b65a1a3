"""An application in an environment: what should run there, and what was seen."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.applications import App
from apps.models.releases import Release
from clusters.models import Environment
from kcloud_site.tenants.models import Tenant


def _nothing_seen() -> dict[str, Any]:
    return {}


class Workload(models.Model):
    """What should run (release, configuration, replicas, stopped or not) and what was seen of it last.

    The row says what should be; operations make it so (apps.services.rollout_steps). `good_*` is what last became
    available: where a return goes. In the bin (`binned_at`) nothing runs; volumes are kept until `purge_at`.
    """

    class State(models.TextChoices):
        NEW = "new", _("Not deployed")
        UPDATING = "updating", _("Updating")
        HEALTHY = "healthy", _("Healthy")
        DEGRADED = "degraded", _("Degraded")
        DOWN = "down", _("Down")
        STOPPED = "stopped", _("Stopped")
        UNKNOWN = "unknown", _("Unknown")
        BINNED = "binned", _("In the bin")

    class Slot(models.TextChoices):
        BLUE = "blue", _("Blue")
        GREEN = "green", _("Green")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="workloads")
    # An environment goes with its namespace and all in it, so what was to run there goes, too.
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="workloads")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="running")
    # Number of the configuration revision it should run with; NULL: without any.
    config_revision = models.PositiveIntegerField(null=True)
    replicas = models.PositiveIntegerField(_("replicas"), default=1)
    stopped = models.BooleanField(default=False)
    # Which of two sets of pods the Service leads to; a blue-green deployment changes it.
    slot = models.CharField(max_length=5, choices=Slot.choices, default=Slot.BLUE)
    # One that was there before and was taken over as it runs: {"kind", "name", "selector", "release", "services"}.
    # Until another release takes its place, its own object is scaled and restarted, and nothing else of it changes.
    adopted = models.JSONField(default=dict, blank=True)
    # Pods are made anew when it changes.
    restarted_at = models.DateTimeField(null=True)

    state = models.CharField(max_length=9, choices=State.choices, default=State.NEW)
    # Why it is not well, {"what", "why", "remedy"}; empty otherwise.
    state_reason = models.JSONField(default=dict, blank=True)
    # Last seen: {"desired", "updated", "ready", "available", "pods"}; empty: not seen yet.
    observed = models.JSONField(default=_nothing_seen, blank=True)
    seen_at = models.DateTimeField(null=True)

    good_release = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="+")
    good_config_revision = models.PositiveIntegerField(null=True)

    # Grows with every change that was asked for; an operation for an older one changes nothing.
    generation = models.PositiveIntegerField(default=0)
    binned_at = models.DateTimeField(null=True)
    purge_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["app__name", "environment__name"]
        constraints = [models.UniqueConstraint(fields=["app", "environment"], name="workload_once")]
        indexes = [
            models.Index(fields=["environment", "state"], name="workload_state"),
            models.Index(fields=["tenant", "state"], name="workload_of_tenant"),
        ]

    def __str__(self) -> str:
        return f"{self.app.name} ({self.environment.namespace})"

    @property
    def wanted_replicas(self) -> int:
        """How many pods should run now."""
        return 0 if self.stopped or self.binned_at else self.replicas
