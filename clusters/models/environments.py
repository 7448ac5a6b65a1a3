"""A tenant's share of a cluster."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from clusters.models.infrastructure import Cluster
from kcloud_site.tenants.models import ResourceColumns, Tenant

# With a tenant's name (30 at most) and a hyphen it stays a label of RFC 1123.
NAME = RegexValidator(
    r"^[a-z0-9]([-a-z0-9]{0,28}[a-z0-9])?\Z",
    _("Use 1 to 30 small letters, digits and hyphens; begin and end with a letter or digit."),
)


class Environment(ResourceColumns):
    """A tenant's share of a cluster (dev, test, prod …): the namespace "<tenant>-<name>" with its limits and walls.

    The row says what should be; clusters.manifests.environment makes objects of it, operations apply them, and
    clusters.services.environment_watch keeps looking whether they are still so. Gone from the cluster, the row goes.
    """

    class Stage(models.TextChoices):
        DEV = "dev", _("Development")
        TEST = "test", _("Test")
        PROD = "prod", _("Production")
        OTHER = "other", _("Other")

    class State(models.TextChoices):
        CREATING = "creating", _("Creating")
        READY = "ready", _("Ready")
        UPDATING = "updating", _("Updating")
        FROZEN = "frozen", _("Frozen")
        DRIFTED = "drifted", _("Drifted")
        FAILED = "failed", _("Failed")
        REMOVING = "removing", _("Removing")

    class Repair(models.TextChoices):
        AUTOMATIC = "automatic", _("Automatic")
        BY_HAND = "by-hand", _("By hand")

    tenant = models.ForeignKey(
        Tenant, on_delete=models.PROTECT, related_name="environments", verbose_name=_("tenant")
    )
    cluster = models.ForeignKey(
        Cluster, on_delete=models.PROTECT, related_name="environments", verbose_name=_("cluster")
    )
    name = models.CharField(_("name"), max_length=30, validators=[NAME])
    stage = models.CharField(_("stage"), max_length=5, choices=Stage.choices, default=Stage.DEV)
    # A protected environment cannot be removed before somebody lifts the protection.
    protected = models.BooleanField(_("protected"), default=False)
    namespace = models.CharField(max_length=63)
    # The namespace's own identity on the cluster: another of the same name is somebody else's.
    namespace_uid = models.CharField(max_length=64, blank=True)

    state = models.CharField(max_length=10, choices=State.choices, default=State.CREATING)
    # Why it failed, {"what", "why", "remedy"}; empty otherwise.
    state_reason = models.JSONField(default=dict, blank=True)
    # Whether it should be frozen: nothing may be changed, what runs goes on. `frozen_pods` is how many did then.
    frozen = models.BooleanField(default=False)
    frozen_pods = models.PositiveIntegerField(default=0)
    repair = models.CharField(_("repair"), max_length=9, choices=Repair.choices, default=Repair.AUTOMATIC)
    # What differs from what should be: clusters.observing.environments.Difference as JSON.
    drift = models.JSONField(default=list, blank=True)
    # What the namespace uses by the API server's own count, as Resources.parts(); NULL: not seen yet.
    used = models.JSONField(null=True)
    seen_at = models.DateTimeField(null=True)

    # The account the portal acts with inside the namespace: a token that ends, sealed for this row.
    sealed_token = models.BinaryField(default=b"")
    token_ends_at = models.DateTimeField(null=True)

    # Grows with every change that was asked for.
    generation = models.PositiveIntegerField(default=1)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    # When it first was as it should be; NULL: it has never been.
    ready_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["tenant__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="environment_name_once"),
            models.UniqueConstraint(fields=["cluster", "namespace"], name="namespace_once"),
        ]
        indexes = [models.Index(fields=["cluster", "state"], name="environment_state")]
        # As exceptions for one person name them (kcloud_site/tenants/roles.py, GRANTABLE).
        permissions = [
            ("freeze_environment", "Can freeze and thaw the environment"),
            ("resize_environment", "Can change the environment's share"),
            ("remove_environment", "Can remove the environment"),
        ]

    def __str__(self) -> str:
        return self.namespace or self.name
