"""Deployments somebody asked for, and those that wait for their hour."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.applications import App
from apps.models.deployments import Deployment
from apps.models.releases import Release
from clusters.models import Environment
from kcloud_site.tenants.models import Tenant


class DeploymentRequest(models.Model):
    """One deployment as it was asked for: decided once, by somebody else, and then made at once or at `deploy_at`.

    What is to be deployed never changes after it was asked for; `replicas`, `config_revision` NULL: as they are then.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Waiting for approval")
        SCHEDULED = "scheduled", _("Scheduled")
        DEPLOYED = "deployed", _("Deployed")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        FAILED = "failed", _("Could not be deployed")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="deployment_requests")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="deployment_requests")
    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="+")
    replicas = models.PositiveIntegerField(null=True)
    config_revision = models.PositiveIntegerField(null=True)
    # apps.rollouts.strategy as JSON.
    strategy = models.JSONField(default=dict)
    # Not before then; NULL: as soon as it is approved.
    deploy_at = models.DateTimeField(_("deploy at"), null=True)
    reason = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.OPEN)
    # Why it could not be deployed, {"what", "why", "remedy"}.
    failure = models.JSONField(default=dict, blank=True)

    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    requested_by_name = models.CharField(max_length=150, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_by_name = models.CharField(max_length=150, blank=True)
    decision_reason = models.CharField(max_length=500, blank=True)
    decided_at = models.DateTimeField(null=True)
    deployment = models.ForeignKey(Deployment, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("request for a deployment")
        verbose_name_plural = _("requests for deployments")
        indexes = [
            models.Index(fields=["tenant", "state"], name="deployment_request_state"),
            models.Index(fields=["state", "deploy_at"], name="deployment_request_due"),
        ]

    def __str__(self) -> str:
        return f"{self.environment.namespace}/{self.app.name} {self.release.version}"
