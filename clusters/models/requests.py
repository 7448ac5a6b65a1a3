"""What a tenant asks the platform for: an environment, more quota, or quota for a time."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.operations.models import Operation
from kcloud_site.tenants.models import Tenant


class TenantRequest(models.Model):
    """Asked by a member, decided by a platform operator, then done by the portal. States only move forward:

    open -> approved, declined or withdrawn; approved -> applied or failed; failed -> (applied again) approved.

    `wanted` by kind: environment {"name", "stage", "cluster", "share"}; quota {"amount"}: by how much more; loan
    {"amount", "until"}. Amounts as Resources.to_json, `until` as ISO 8601.
    """

    class Kind(models.TextChoices):
        ENVIRONMENT = "environment", _("Environment")
        QUOTA = "quota", _("Quota")
        LOAN = "loan", _("Borrowed quota")

    class State(models.TextChoices):
        OPEN = "open", _("Needs approval")
        APPROVED = "approved", _("Approved")
        DECLINED = "declined", _("Declined")
        WITHDRAWN = "withdrawn", _("Withdrawn")
        APPLIED = "applied", _("Applied")
        FAILED = "failed", _("Could not be applied")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="requests")
    kind = models.CharField(_("kind"), max_length=11, choices=Kind.choices)
    wanted = models.JSONField()
    reason = models.TextField(_("reason"), max_length=1000)
    state = models.CharField(_("state"), max_length=9, choices=State.choices, default=State.OPEN)
    # Why it could not be applied, {"what", "why", "remedy"}; empty otherwise.
    failure = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="requests"
    )
    requested_by_name = models.CharField(max_length=150)
    decided_by_name = models.CharField(max_length=150, blank=True)
    decision_reason = models.TextField(max_length=1000, blank=True)
    decided_at = models.DateTimeField(null=True)
    # What makes the environment, once the request is approved.
    operation = models.ForeignKey(Operation, null=True, on_delete=models.PROTECT, related_name="requests")
    # The address of its page, for mails: only a person's browser knows what the portal is called.
    link = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("request")
        indexes = [
            models.Index(fields=["tenant", "-id"], name="request_tenant"),
            models.Index(fields=["state", "id"], name="request_state"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"

    @property
    def name(self) -> str:
        """As the audit trail calls it."""
        return f"req-{self.pk}"


class RequestComment(models.Model):
    """Something said about a request, by either side. Never changed."""

    request = models.ForeignKey(TenantRequest, on_delete=models.CASCADE, related_name="comments")
    author = models.CharField(max_length=150)
    # Whether the platform's side said it.
    by_operator = models.BooleanField(default=False)
    text = models.TextField(_("comment"), max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
