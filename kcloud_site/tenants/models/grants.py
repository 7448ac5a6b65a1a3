"""Exceptions: one person, one right, one object, until a date."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models.tenants import Tenant


class Grant(models.Model):
    """ "This person may freeze that environment until Friday." The row says who granted it, why and until when; the
    right itself is a guardian permission, made and taken back with it (kcloud_site/tenants/permissions.py)."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="grants")
    # As roles name it: "environment.freeze".
    permission = models.CharField(_("right"), max_length=60)
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    object_name = models.CharField(max_length=200)
    reason = models.TextField(_("reason"), max_length=500)
    granted_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(_("ends at"), db_index=True)
    ended_at = models.DateTimeField(null=True)
    # Who took it back before its time; empty when its time was up.
    ended_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["user", "permission", "object_type", "object_id"], name="grant_lookup"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "permission", "object_type", "object_id"],
                condition=models.Q(ended_at__isnull=True),
                name="one_open_grant_per_right",
            )
        ]

    def __str__(self) -> str:
        return f"{self.permission} on {self.object_name} for {self.user}"
