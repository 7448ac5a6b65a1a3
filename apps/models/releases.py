"""Immutable versions of an application."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.applications import App
from kcloud_site.tenants.models import Tenant

VERSION = RegexValidator(
    r"^[A-Za-z0-9]([-+._A-Za-z0-9]{0,62}[A-Za-z0-9])?\Z",
    _(
        "Use letters, digits, dots, hyphens, underscores and plus signs; begin and end with a letter or digit."
    ),
)


class Release(models.Model):
    """One version: what runs (apps.specs as JSON, images by digest), its notes, who made it and when. Never changed."""

    class Source(models.TextChoices):
        FORM = "form", _("Console")
        API = "api", _("API")
        COMPOSE = "compose", _("Compose file")
        MANIFESTS = "manifests", _("Manifests")
        ADOPTED = "adopted", _("Adopted workload")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="releases")
    # Counts up in its application.
    number = models.PositiveIntegerField()
    version = models.CharField(_("version"), max_length=64, validators=[VERSION])
    spec = models.JSONField()
    notes = models.TextField(_("notes"), blank=True, max_length=10_000)
    source = models.CharField(max_length=9, choices=Source.choices, default=Source.FORM)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        verbose_name = _("release")
        verbose_name_plural = _("releases")
        constraints = [
            models.UniqueConstraint(fields=["app", "number"], name="release_number_once"),
            models.UniqueConstraint(fields=["app", "version"], name="release_version_once"),
        ]

    def __str__(self) -> str:
        return self.version
