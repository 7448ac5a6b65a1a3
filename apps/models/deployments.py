"""What was done to a workload, one row each, and releases that are kept out of one."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.releases import Release
from apps.models.workloads import Workload
from kcloud_site.tenants.models import Tenant


class Deployment(models.Model):
    """One change of a workload, with what was before it: so that one step takes release and configuration back.

    `before` is {"release": id, "config_revision": n, "replicas": n, "stopped": bool}.
    """

    class Action(models.TextChoices):
        DEPLOY = "deploy", _("Deploy")
        UNDO = "undo", _("Undo")
        RETURN = "return", _("Return by itself")
        CONFIG = "config", _("Configuration")
        SCALE = "scale", _("Scale")
        STOP = "stop", _("Stop")
        START = "start", _("Start")
        RESTART = "restart", _("Restart")
        HEAL = "heal", _("Heal")
        REMOVE = "remove", _("To the bin")
        RESTORE = "restore", _("Out of the bin")

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        RETURNED = "returned", _("Returned to the last good release")
        CANCELLED = "cancelled", _("Cancelled")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    workload = models.ForeignKey(Workload, on_delete=models.CASCADE, related_name="deployments")
    # Counts up in its workload.
    number = models.PositiveIntegerField()
    action = models.CharField(max_length=8, choices=Action.choices)
    release = models.ForeignKey(Release, on_delete=models.PROTECT, null=True, related_name="deployments")
    config_revision = models.PositiveIntegerField(null=True)
    replicas = models.PositiveIntegerField(default=1)
    before = models.JSONField(default=dict)
    # apps.rollouts.strategy as JSON: {"type", "surge", "unavailable", "timeout"}.
    strategy = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    # Why it did not end well, {"what", "why", "remedy"}.
    reason = models.JSONField(default=dict, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    # Of operations.Operation; a plain number, for operations are pruned on their own.
    operation_id = models.BigIntegerField(null=True)
    requested_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-number"]
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")
        constraints = [models.UniqueConstraint(fields=["workload", "number"], name="deployment_number_once")]
        indexes = [models.Index(fields=["operation_id"], name="deployment_operation")]


class Pin(models.Model):
    """A release kept out of a workload because it failed there: nothing deploys it again until somebody lifts this."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    workload = models.ForeignKey(Workload, on_delete=models.CASCADE, related_name="pins")
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="pins")
    reason = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["workload", "release"],
                condition=models.Q(lifted_at__isnull=True),
                name="release_pinned_once",
            )
        ]
