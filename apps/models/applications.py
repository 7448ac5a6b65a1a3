"""What a tenant registers: one service of a business application."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models import Tenant

# The name is the name of its objects on a cluster; pods and revisions append to it, so it stays short.
NAME = RegexValidator(
    r"^[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z",
    _("Use 1 to 40 small letters, digits and hyphens; begin with a letter, end with a letter or digit."),
)


class App(models.Model):
    """One workload of a tenant (a web front, an API, a database) that is released and deployed as one."""

    class Criticality(models.TextChoices):
        LOW = "low", _("Low")
        NORMAL = "normal", _("Normal")
        HIGH = "high", _("High")
        CRITICAL = "critical", _("Critical")

    class Reload(models.TextChoices):
        RESTART = "restart", _("Restart the pods, one after another")
        HOT = "hot", _("Change the mounted files; the application reads them again")

    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, related_name="apps", verbose_name=_("tenant")
    )
    name = models.CharField(_("name"), max_length=40, validators=[NAME])
    title = models.CharField(_("title"), max_length=100, blank=True)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    owner = models.CharField(_("owner"), max_length=150, blank=True)
    contacts = models.CharField(_("contacts"), max_length=300, blank=True)
    repository = models.URLField(_("repository"), max_length=300, blank=True)
    # Of the tenant's own: {"cost-centre": "4711"}.
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    criticality = models.CharField(
        _("criticality"), max_length=8, choices=Criticality.choices, default=Criticality.NORMAL
    )
    reload = models.CharField(
        _("when the configuration changes"), max_length=7, choices=Reload.choices, default=Reload.RESTART
    )
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="app_name_once")]

    def __str__(self) -> str:
        return self.title or self.name
