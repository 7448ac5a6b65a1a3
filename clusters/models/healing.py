"""What was decided about nodes that did not answer, one row each; the same again is counted in its row."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from clusters.models.infrastructure import Cluster


class NodeDecision(models.Model):
    """One decision of clusters.healing.nodes with its witnesses, and what came of it.

    A row with action LOST and no `ended_at` is a node that counts as lost now: its applications were moved, it takes no
    new pods. `fenced_at`: a person, or the machine's own management by a command, has confirmed that it is off; only
    then pods with an identity move, too.
    """

    class Action(models.TextChoices):
        LOST = "lost", _("Lost")
        HOLD = "hold", _("Held back")
        WAIT = "wait", _("Watching")
        BACK = "back", _("Back")

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="node_decisions")
    node = models.CharField(max_length=253)
    action = models.CharField(max_length=4, choices=Action.choices)
    # clusters.healing.nodes.Why.
    why = models.CharField(max_length=16)
    # [{"who", "what", "since"}] as clusters.healing.nodes.Witness.
    witnesses = models.JSONField(default=list)
    # {"replaced": ["namespace/pod"], "waiting": [...], "left": [...], "problem": ""}.
    outcome = models.JSONField(default=dict)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    # When the node first did not answer, and when its last replaceable pod was gone: the time it took.
    failing_since = models.DateTimeField(null=True)
    acted_at = models.DateTimeField(null=True)
    fenced_at = models.DateTimeField(null=True)
    fenced_by = models.CharField(max_length=150, blank=True)
    # By clusters.services.fencing: {"tries", "at", "operation", "off", "problem"}; {}: nobody has tried.
    fencing = models.JSONField(default=dict)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = _("decision about a node")
        verbose_name_plural = _("decisions about nodes")
        indexes = [models.Index(fields=["cluster", "node", "action"], name="node_decision")]
        constraints = [
            models.UniqueConstraint(
                fields=["cluster", "node"],
                condition=models.Q(action="lost", ended_at__isnull=True),
                name="node_lost_once",
            )
        ]
