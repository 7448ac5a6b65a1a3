"""What the platform's own image registry is known by, and how tenants sign in at others."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models import Tenant


class RegistrySecret(models.Model):
    """A sealed document of the registry ("identity": authority and signing key, made once; "server": its certificate).

    Rows, so that every process of the portal, on whatever machine, signs and trusts the same.
    """

    name = models.CharField(max_length=20, unique=True)
    sealed = models.BinaryField()
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def identity(self) -> str:
        """What the document is sealed for."""
        return f"apps.RegistrySecret:{self.name}"


class RegistryCredential(models.Model):
    """How a tenant's images are pulled from a registry that is not the platform's.

    `host` as images name it ("ghcr.io", "harbor.example.com:8443"). The password is sealed: apps.access opens it for
    the portal's own questions and for the environments' Secret, nobody reads it. `authority` (PEM) is whom the portal
    trusts there, instead of the machine's authorities; both parts may be empty, not both at once.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    host = models.CharField(_("registry"), max_length=260)
    username = models.CharField(_("user name"), max_length=255, blank=True)
    sealed = models.BinaryField(default=bytes, editable=False)
    authority = models.TextField(_("certificate authority"), blank=True)
    # Counts up with each change: what environments hold is compared by it.
    edition = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["host"]
        verbose_name = _("registry credential")
        verbose_name_plural = _("registry credentials")
        constraints = [
            models.UniqueConstraint(fields=["tenant", "host"], name="registry_credential_host_once"),
        ]

    def __str__(self) -> str:
        return self.host

    @property
    def identity(self) -> str:
        """What the password is sealed for."""
        return f"apps.RegistryCredential:{self.pk}:password"
