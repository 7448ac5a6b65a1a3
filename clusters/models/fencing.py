"""How machines are powered off from the portal, so that what has an identity may move."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from clusters.models.infrastructure import Host, Region


class FencingMethod(models.Model):
    """Two commands of one allowed program: power a host off, and tell whether it is off. Of one host, or of a region
    for all its hosts that have none of their own. Arguments as clusters.healing.fencing has them; the secret is given
    in the environment of the program, never as an argument."""

    class Mode(models.TextChoices):
        APPROVE = "approve", _("Ask first")
        AUTOMATIC = "automatic", _("By itself")

    region = models.OneToOneField(Region, null=True, on_delete=models.CASCADE, related_name="fencing")
    host = models.OneToOneField(Host, null=True, on_delete=models.CASCADE, related_name="fencing")
    program = models.CharField(_("program"), max_length=200)
    off_arguments = models.JSONField(default=list)
    status_arguments = models.JSONField(default=list)
    # What the status command says, among other things, when the machine is off.
    off_text = models.CharField(_("what it says when the machine is off"), max_length=100)
    # Within which the machine must be off.
    seconds = models.PositiveSmallIntegerField(_("seconds"), default=30)
    mode = models.CharField(max_length=9, choices=Mode.choices, default=Mode.APPROVE)
    sealed_secret = models.BinaryField(default=b"", blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("way to power hosts off")
        verbose_name_plural = _("ways to power hosts off")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(region__isnull=True) ^ models.Q(host__isnull=True), name="fencing_of_one"
            )
        ]

    @property
    def target(self) -> str:
        """Whose it is: "host w1" or "region north"."""
        return f"host {self.host.name}" if self.host else f"region {self.region.name if self.region else ''}"
