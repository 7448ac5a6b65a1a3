"""Revisions of an application's configuration in one environment."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.models.applications import App
from clusters.models import Environment
from kcloud_site.tenants.models import Tenant


def _nobody() -> list[int]:
    return []


def _nothing() -> dict[str, Any]:
    return {}


class ConfigRevision(models.Model):
    """One revision: changed while it is a draft, never after it was published.

    `entries` holds what is plain (apps.configuring.entries.stored), `sealed` the secrets' values: write-only, opened by
    apps.access when objects are made of them. What should run where is Workload.config_revision.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        PROPOSED = "proposed", _("Waiting for approval")
        TRIAL = "trial", _("On trial")
        PUBLISHED = "published", _("Published")
        SUPERSEDED = "superseded", _("Superseded")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="+")
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="config_revisions")
    # An environment goes with all in it.
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="config_revisions")
    # Counts up in its application and environment.
    number = models.PositiveIntegerField()
    # Counts the times a draft was saved: two people who edit it find out.
    edition = models.PositiveIntegerField(default=1)
    entries = models.JSONField(default=list)
    sealed = models.BinaryField(default=bytes, editable=False)
    # The revision in which what processes get at their start last changed: with files that are read again while
    # running, only that makes a restart necessary.
    variables_since = models.PositiveIntegerField(default=0)
    # Number of the published revision it began from; 0: from nothing.
    base = models.PositiveIntegerField(default=0)
    note = models.CharField(_("note"), max_length=500, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    # Why it was withdrawn by itself, {"what", "why", "remedy"}.
    reason = models.JSONField(default=_nothing, blank=True)
    # Its newest trial: {"stages": [{"share", "pods", "seconds"}], "patience", "kind", "operation"}.
    trial = models.JSONField(default=_nothing, blank=True)
    # The stage it is at, from 1; whether a person holds it there; up to which stage a person let it go on at once.
    trial_stage = models.PositiveSmallIntegerField(default=0)
    trial_held = models.BooleanField(default=False)
    trial_passed = models.PositiveSmallIntegerField(default=0)
    # Ids of all who wrote in it: in protected environments none of them may publish it.
    editors = models.JSONField(default=_nobody)
    created_by = models.CharField(max_length=150, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    proposed_by = models.CharField(max_length=150, blank=True)
    proposed_at = models.DateTimeField(null=True)
    approved_by = models.CharField(max_length=150, blank=True)
    published_by = models.CharField(max_length=150, blank=True)
    published_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-number"]
        verbose_name = _("configuration revision")
        verbose_name_plural = _("configuration revisions")
        constraints = [
            models.UniqueConstraint(
                fields=["app", "environment", "number"], name="config_revision_number_once"
            ),
            models.UniqueConstraint(
                fields=["app", "environment"],
                condition=models.Q(state__in=["draft", "proposed", "trial"]),
                name="config_revision_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"r{self.number}"

    @property
    def is_open(self) -> bool:
        """Whether it is neither published nor given up yet."""
        return self.state in (self.State.DRAFT, self.State.PROPOSED, self.State.TRIAL)

    @property
    def etag(self) -> str:
        """Changes with every save."""
        return f"{self.number}.{self.edition}"
