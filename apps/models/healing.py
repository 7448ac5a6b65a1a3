"""How far self-healing may go with a workload, and what was decided about it, one row a decision."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.releases import Release
from apps.models.workloads import Workload
from kcloud_site.tenants.models import Tenant


class Rung(models.TextChoices):
    """apps.healing.ladder.Rung."""

    NODE_LOSS = "node-loss", _("Replace pods of a lost node")
    DRIFT = "drift", _("Put changed objects back")
    STUCK_POD = "stuck-pod", _("Remove pods that do not end")
    RESTART = "restart", _("Restart")
    RETURN = "return", _("Return to the last good release")
    MEMORY = "memory", _("More memory")
    ALERT = "alert", _("Call a person")


class HealingConsent(models.Model):
    """The mode of one rung where somebody chose another than the default (apps.healing.ladder.defaults)."""

    class Mode(models.TextChoices):
        SUGGEST = "suggest", _("Suggest")
        APPROVE = "approve", _("Ask first")
        AUTOMATIC = "automatic", _("By itself")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    workload = models.ForeignKey(Workload, on_delete=models.CASCADE, related_name="healing_consents")
    rung = models.CharField(max_length=9, choices=Rung.choices)
    mode = models.CharField(max_length=9, choices=Mode.choices)

    class Meta:
        ordering = ["rung"]
        constraints = [models.UniqueConstraint(fields=["workload", "rung"], name="healing_consent_once")]


class HealingDecision(models.Model):
    """One decision with what was seen; also "no, because". The same again is counted in its row."""

    class State(models.TextChoices):
        OPEN = "open", _("Waits for a person")
        DONE = "done", _("Done")
        DECLINED = "declined", _("Declined")
        FAILED = "failed", _("Failed")
        HELD = "held", _("Not now")
        ALERT = "alert", _("Needs a person")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    workload = models.ForeignKey(Workload, on_delete=models.CASCADE, related_name="healing_decisions")
    rung = models.CharField(max_length=9, choices=Rung.choices)
    state = models.CharField(max_length=8, choices=State.choices)
    # apps.healing.ladder.Why, or what the rung is about: "node", "drift", "stuck", "finalizer".
    why = models.CharField(max_length=16)
    mode = models.CharField(max_length=9, choices=HealingConsent.Mode.choices)
    release = models.ForeignKey(Release, on_delete=models.CASCADE, null=True, related_name="+")
    # What was seen: {"evidence": text, "items": [text], "until": ISO, "memory": bytes}.
    seen = models.JSONField(default=dict)
    outcome = models.TextField(blank=True)
    operation_id = models.BigIntegerField(null=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("decision of self-healing")
        verbose_name_plural = _("decisions of self-healing")
        indexes = [models.Index(fields=["workload", "state"], name="healing_state")]
