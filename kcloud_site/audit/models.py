"""The audit trail's rows. Only `trail` writes them; nothing changes or deletes them."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """Who changed what, before and after, and why; each row sealed with the one before it (trail.py).

    Names stand as text and nothing is a foreign key: what a row tells outlives what it is about.
    """

    class ActorKind(models.TextChoices):
        PERSON = "person", _("Person")
        TOKEN = "token", _("Token")
        RULE = "rule", _("Rule")
        SYSTEM = "system", _("Portal")

    at = models.DateTimeField()
    actor_kind = models.CharField(max_length=6, choices=ActorKind.choices)
    actor = models.CharField(max_length=150)
    # The token or rule through which the actor acted; empty for a person at the console.
    via = models.CharField(max_length=100, blank=True)
    action = models.CharField(max_length=60)
    # NULL: the platform's own.
    tenant_id = models.BigIntegerField(null=True)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    object_name = models.CharField(max_length=200)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)
    operation_id = models.BigIntegerField(null=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["object_type", "object_id", "-id"], name="audit_object"),
            models.Index(fields=["tenant_id", "-id"], name="audit_tenant"),
            models.Index(fields=["actor", "-id"], name="audit_actor"),
            models.Index(fields=["at"], name="audit_at"),
        ]


class ChainHead(models.Model):
    """The end of the chain: how many events were written, and the last seal. One row; writers take turns on it."""

    events = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)
