"""Clusters, plans and preflights as the API shows them."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from clusters.models import Cluster, Node, PlanRevision, PreflightCheck, Region
from clusters.preflight.checks import describe
from kcloud_site.rest.serializers import Strict


@extend_schema_field(OpenApiTypes.OBJECT)
class PlanField(serializers.JSONField):
    """A plan, in the shape of `clusters.planning.plan.PlanSpec`; the service says all that is wrong with it."""

    def to_internal_value(self, data: Any) -> Any:
        found = super().to_internal_value(data)
        if not isinstance(found, dict):
            raise serializers.ValidationError(_("A plan is an object. See docs/api.md."))
        return found


class NodeSerializer(serializers.Serializer[Node]):
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    ready = serializers.CharField()
    ready_reason = serializers.CharField()
    ready_since = serializers.DateTimeField(allow_null=True)
    schedulable = serializers.BooleanField()
    version = serializers.CharField()
    status: Any = serializers.JSONField()
    seen_at = serializers.DateTimeField()


class ClusterStatusSerializer(serializers.Serializer[Cluster]):
    state = serializers.ChoiceField(choices=Cluster.State.choices)
    health = serializers.ChoiceField(choices=Cluster.Health.choices)
    health_reason = serializers.CharField()
    version = serializers.CharField()
    endpoints = serializers.ListField(child=serializers.CharField())
    deployed_generation = serializers.IntegerField(source="deployed_revision", allow_null=True)
    nodes_ready = serializers.IntegerField()
    nodes_total = serializers.IntegerField()


class ClusterSerializer(serializers.Serializer[Cluster]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    region = serializers.CharField(source="region.name", default=None, allow_null=True)
    origin = serializers.ChoiceField(choices=Cluster.Origin.choices)
    created_at = serializers.DateTimeField()
    generation = serializers.SerializerMethodField()
    spec = serializers.SerializerMethodField()
    status = ClusterStatusSerializer(source="*")

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_spec(self, cluster: Cluster) -> dict[str, Any]:
        """The newest plan; {} for an imported cluster."""
        newest = self._newest(cluster)
        return dict(newest.spec) if newest else {}

    def get_generation(self, cluster: Cluster) -> int:
        """The number of the newest plan; 0 for an imported cluster."""
        newest = self._newest(cluster)
        return newest.number if newest else 0

    @staticmethod
    def _newest(cluster: Cluster) -> Any:
        # Only the newest is prefetched.
        return next(iter(cluster.revisions.all()), None)


class PlanSerializer(serializers.Serializer[PlanRevision]):
    generation = serializers.IntegerField(source="number")
    note = serializers.CharField()
    by = serializers.CharField(source="by_name")
    created_at = serializers.DateTimeField()
    spec: Any = PlanField()


class NewPlanSerializer(Strict):
    spec: Any = PlanField()
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=200)


class ImportSerializer(Strict):
    name = serializers.CharField(max_length=40)
    region = serializers.SlugRelatedField(
        slug_field="name", queryset=Region.objects.all(), required=False, allow_null=True, default=None
    )
    kubeconfig = serializers.CharField(trim_whitespace=False, max_length=200_000)
    allow_internal = serializers.BooleanField(required=False, default=False)


class CheckSerializer(serializers.Serializer[PreflightCheck]):
    id = serializers.IntegerField()
    key = serializers.CharField()
    host = serializers.CharField()
    verdict = serializers.ChoiceField(choices=PreflightCheck.Verdict.choices)
    text = serializers.SerializerMethodField()
    accepted_by = serializers.CharField(source="overridden_by")
    accepted_because = serializers.CharField(source="override_reason")

    def get_text(self, check: PreflightCheck) -> str:
        """What was found and what to do, in the reader's language."""
        return " ".join(part for part in describe(check.key, check.verdict, check.facts, _) if part)


class PreflightSerializer(serializers.Serializer[Any]):
    state = serializers.ChoiceField(
        choices=["never", "stale", "running", "failed", "blocked", "warnings", "passed"]
    )
    generation = serializers.IntegerField(source="revision")
    may_deploy = serializers.BooleanField()
    operation_id = serializers.SerializerMethodField()
    checks = CheckSerializer(many=True)

    def get_operation_id(self, verdict: Any) -> int | None:
        return verdict.operation.pk if verdict.operation else None


class AcceptSerializer(Strict):
    checks = serializers.ListField(child=serializers.IntegerField(min_value=1), min_length=1, max_length=500)
    reason = serializers.CharField(max_length=500)


class ResetSerializer(Strict):
    confirm_name = serializers.CharField(max_length=40, help_text="The cluster's name, typed again.")
    force = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class KubeconfigSerializer(serializers.Serializer[Any]):
    kubeconfig = serializers.CharField()
