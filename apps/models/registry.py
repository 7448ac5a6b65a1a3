"""What the platform's own image registry is known by."""

from __future__ import annotations

from django.db import models


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
