"""The durable record of everything slow.

Operation 1-n Step 1-n StepTarget; Operation 1-n LogLine. Lease, DueRow and Portal stand alone.
Rows that a worker writes while it holds an operation are written through `runner`, which carries the fencing number;
nothing else updates an operation's state.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class State(models.TextChoices):
    PENDING = "pending", _("Pending")
    RUNNING = "running", _("Running")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    SKIPPED = "skipped", _("Skipped")


ACTIVE = (State.PENDING, State.RUNNING)


class Operation(models.Model):
    """One piece of work: what was asked, by whom, how far it is, how it ended.

    `failure` is {"what", "why", "remedy", "step", "target", "line"}: empty unless the state is FAILED.
    `fencing` grows with every claim; a worker may write only while the row still carries its number.
    """

    kind = models.CharField(max_length=60)
    queue = models.CharField(max_length=20, default="default")
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    subject_name = models.CharField(max_length=200)
    # The subject while the operation is active, else NULL: one active operation per subject, kept by the database.
    active_subject = models.CharField(max_length=130, null=True, unique=True, editable=False)
    # Whose members may see it; NULL: the platform's own.
    tenant = models.ForeignKey(
        "tenants.Tenant", null=True, blank=True, on_delete=models.PROTECT, related_name="operations"
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="operations"
    )
    requested_by_name = models.CharField(max_length=150)
    reason = models.TextField(blank=True)
    inputs = models.JSONField(default=dict)
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    failure = models.JSONField(default=dict, blank=True)
    cancel_requested_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    lease_owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    fencing = models.PositiveBigIntegerField(default=0)
    last_line = models.PositiveIntegerField(default=0)
    last_event_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "lease_until"], name="operation_claimable"),
            models.Index(fields=["subject_type", "subject_id", "-id"], name="operation_subject"),
            models.Index(fields=["kind", "state", "-id"], name="operation_kind"),
            models.Index(fields=["tenant", "-id"], name="operation_tenant"),
            models.Index(fields=["tenant", "state"], name="operation_tenant_state"),
            # Webhooks ask every two seconds what has ended since.
            models.Index(fields=["finished_at"], name="operation_finished"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=ACTIVE) | Q(active_subject__isnull=True),
                name="operation_ended_frees_subject",
            )
        ]

    def __str__(self) -> str:
        return f"op-{self.pk} {self.kind} {self.subject_name}"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class Step(models.Model):
    """One step of an operation, in order. `input_hash` says what it was done with, so resuming can skip it."""

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="steps")
    key = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    input_hash = models.CharField(max_length=64, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    outcome = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["operation", "key"], name="step_once_per_operation")]


class StepTarget(models.Model):
    """One step on one target (a host). Absent means: this step is not for this target."""

    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="targets")
    target = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    input_hash = models.CharField(max_length=64, blank=True)
    # {"what", "why", "remedy", "line"} when failed; {"changed": n} and the like when succeeded.
    outcome = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["step", "target"], name="target_once_per_step")]


class LogLine(models.Model):
    """One line of an operation's log. Numbers grow by one from 1 without a gap; a line never changes."""

    class Level(models.TextChoices):
        INFO = "info", _("Info")
        WARNING = "warning", _("Warning")
        ERROR = "error", _("Error")

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="lines")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    step = models.CharField(max_length=60, blank=True)
    target = models.CharField(max_length=100, blank=True)
    level = models.CharField(max_length=10, choices=Level.choices, default=Level.INFO)
    text = models.TextField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["operation", "number"], name="line_number_once")]


class Lease(models.Model):
    """A named right held by one process at a time: the clock's leadership, one cluster's watch."""

    name = models.CharField(max_length=100, unique=True)
    owner = models.CharField(max_length=120, blank=True)
    until = models.DateTimeField(null=True)
    fencing = models.PositiveBigIntegerField(default=0)


class DueRow(models.Model):
    """Periodic work: the clock wakes `job` when `due_at` has come, then moves it on by `every` seconds."""

    name = models.CharField(max_length=100, unique=True)
    job = models.CharField(max_length=100)
    arguments = models.JSONField(default=dict, blank=True)
    every = models.PositiveIntegerField(help_text=_("seconds"))
    due_at = models.DateTimeField(db_index=True)
    last_at = models.DateTimeField(null=True)
    enabled = models.BooleanField(default=True)


class Portal(models.Model):
    """One row: the name of this portal (portal.py)."""

    identity = models.CharField(max_length=32, editable=False)
