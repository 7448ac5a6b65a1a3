"""What a tenant may carve environments out of: its total, what it borrowed, and what was used hour by hour."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models.tenants import Tenant
from kcloud_site.tenants.resources import Resources


class ResourceColumns(models.Model):
    """Five columns that keep one amount, so that the database can add them up. Written with
    `Model(**amount.parts())`, read with `row.resources`."""

    cpu = models.BigIntegerField(_("processors, millicores"), default=0)
    memory = models.BigIntegerField(_("memory, bytes"), default=0)
    storage = models.BigIntegerField(_("storage, bytes"), default=0)
    pods = models.BigIntegerField(_("pods"), default=0)
    gpus = models.BigIntegerField(_("GPUs"), default=0)

    class Meta:
        abstract = True

    @property
    def resources(self) -> Resources:
        return Resources(self.cpu, self.memory, self.storage, self.pods, self.gpus)


class Quota(ResourceColumns):
    """A tenant's total over all clusters. No row: nothing was given yet. Earlier totals are in the audit trail.

    `turns` grows with every change of what is carved out: whoever raises it holds the row until the commit, so that
    two environments carved at once cannot exceed the total (clusters/services/quotas.py).
    """

    tenant = models.OneToOneField(Tenant, on_delete=models.PROTECT, related_name="quota")
    turns = models.PositiveBigIntegerField(default=0)
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{_('quota')} {self.tenant}"


class Loan(ResourceColumns):
    """Quota lent by the platform until a date, on top of the total. It counts while `ended_at` is NULL."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="loans")
    reason = models.TextField(_("reason"), max_length=500)
    lent_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    ends_at = models.DateTimeField(_("ends at"))
    ended_at = models.DateTimeField(null=True)
    # Who took it back before its time; empty when its time was up.
    ended_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["ends_at"], name="loan_open_until", condition=models.Q(ended_at__isnull=True)
            ),
            models.Index(fields=["tenant", "-id"], name="loan_tenant"),
        ]

    def __str__(self) -> str:
        return f"{_('loan')} {self.pk} {self.tenant}"


class UsageSample(models.Model):
    """What a tenant might use, had carved out and used in one hour, as Resources.parts(). `used` is NULL when no
    cluster could be asked: a gap is not a zero."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="usage_samples")
    hour = models.DateTimeField()
    limit = models.JSONField()
    carved = models.JSONField()
    used = models.JSONField(null=True)

    class Meta:
        ordering = ["hour"]
        constraints = [models.UniqueConstraint(fields=["tenant", "hour"], name="usage_once_an_hour")]
