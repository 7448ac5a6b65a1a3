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
        ordering = ["-at", "-id"]
        # Each filter of the page has an index in the order the page shows: newest first.
        indexes = [
            models.Index(fields=["object_type", "object_id", "-at", "-id"], name="audit_object"),
            models.Index(fields=["object_name", "-at", "-id"], name="audit_object_name"),
            models.Index(fields=["object_type", "-at", "-id"], name="audit_object_type"),
            models.Index(fields=["tenant_id", "-at", "-id"], name="audit_tenant"),
            models.Index(fields=["actor", "-at", "-id"], name="audit_actor"),
            models.Index(fields=["actor_kind", "-at", "-id"], name="audit_actor_kind"),
            models.Index(fields=["via", "-at", "-id"], name="audit_via"),
            models.Index(fields=["action", "-at", "-id"], name="audit_action"),
            models.Index(fields=["operation_id", "-at", "-id"], name="audit_operation"),
            models.Index(fields=["-at", "-id"], name="audit_at"),
        ]


class ChainHead(models.Model):
    """The end of the chain: how many events were written, and the last seal. One row; writers take turns on it."""

    events = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64, blank=True)


class ChainCheck(models.Model):
    """How far the chain has been read and found whole (verification.py). One row.

    Two readings go on side by side: the first follows the end of the trail, the second begins again and again at its
    start. A reading stands behind an event: its id, its seal, and how many events that makes.
    """

    end_id = models.BigIntegerField(default=0)
    end_hash = models.CharField(max_length=64, default="")
    end_events = models.PositiveBigIntegerField(default=0)
    again_id = models.BigIntegerField(default=0)
    again_hash = models.CharField(max_length=64, default="")
    again_events = models.PositiveBigIntegerField(default=0)
    checked_at = models.DateTimeField(null=True)
    # When the second reading last came to the end, having read every event once more.
    whole_at = models.DateTimeField(null=True)
    # Since when the chain is found broken, at which event (0: missing at the end) and why; NULL: it is whole.
    broken_at = models.DateTimeField(null=True)
    broken_id = models.BigIntegerField(null=True)
    broken_why = models.TextField(blank=True)
