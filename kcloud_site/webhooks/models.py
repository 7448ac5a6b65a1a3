"""Who is told, and what became of each message."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models import Tenant


class Webhook(models.Model):
    """An address that is told what happens in one tenant; without a tenant, everywhere. The secret is sealed."""

    # NULL: the platform's own, told everything.
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="webhooks"
    )
    name = models.CharField(_("name"), max_length=60)
    url = models.CharField(_("address"), max_length=500)
    # Actions by their beginning: ["environment.", "operation.finished"]; [""] is all.
    events = models.JSONField(_("events"))
    enabled = models.BooleanField(_("enabled"), default=True)
    sealed_secret = models.BinaryField()
    created_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            # Two, because SQLite knows no constraint under which nulls are equal.
            models.UniqueConstraint(fields=["tenant", "name"], name="webhook_name_once"),
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(tenant__isnull=True), name="platform_webhook_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message to one webhook, and how its last attempt went."""

    class State(models.TextChoices):
        PENDING = "pending", _("Pending")
        DELIVERED = "delivered", _("Delivered")
        FAILED = "failed", _("Failed")

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    # What it tells of: "audit:17", "operation:5:1". The same thing is told once.
    source = models.CharField(max_length=60)
    event = models.CharField(max_length=60)
    payload = models.JSONField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    # The last attempt: HTTP status (NULL: none came), milliseconds, the answer's beginning or why there was none.
    status = models.PositiveSmallIntegerField(null=True)
    milliseconds = models.PositiveIntegerField(null=True)
    answer = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "next_at"], name="delivery_due"),
            models.Index(fields=["webhook", "-id"], name="delivery_of_webhook"),
        ]
        constraints = [models.UniqueConstraint(fields=["webhook", "source"], name="told_once")]


class Reading(models.Model):
    """One row: how far the audit trail was read, and until when the ends of operations."""

    event_id = models.BigIntegerField()
    finished_at = models.DateTimeField()
