"""Clusters and nodes over the API, read-only: `spec` is what is planned, `status` what is there."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.models import Cluster, Node
from kcloud_site.tenants.permissions import PlatformRight


class NodeSerializer(serializers.ModelSerializer[Node]):
    class Meta:
        model = Node
        fields = [
            "name",
            "roles",
            "ready",
            "ready_reason",
            "ready_since",
            "schedulable",
            "version",
            "status",
            "seen_at",
        ]


class ClusterSerializer(serializers.ModelSerializer[Cluster]):
    spec = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()
    generation = serializers.SerializerMethodField()

    class Meta:
        model = Cluster
        fields = ["id", "name", "origin", "created_at", "generation", "spec", "status"]

    def get_spec(self, cluster: Cluster) -> dict[str, Any]:
        """The newest plan, in the shape of `clusters.planning.plan.PlanSpec`; {} for an imported cluster."""
        newest = self._newest(cluster)
        return dict(newest.spec) if newest else {}

    def get_generation(self, cluster: Cluster) -> int:
        newest = self._newest(cluster)
        return newest.number if newest else 0

    def get_status(self, cluster: Cluster) -> dict[str, Any]:
        return {
            "state": cluster.state,
            "health": cluster.health,
            "health_reason": cluster.health_reason,
            "version": cluster.version,
            "endpoints": cluster.endpoints,
            "deployed_generation": cluster.deployed_revision,
            "nodes_ready": getattr(cluster, "nodes_ready", None),
            "nodes_total": getattr(cluster, "nodes_total", None),
        }

    @staticmethod
    def _newest(cluster: Cluster) -> Any:
        # Revisions are prefetched, newest first.
        return next(iter(cluster.revisions.all()), None)


class ClusterViewSet(viewsets.ReadOnlyModelViewSet[Cluster]):
    """GET /clusters, GET /clusters/{name}, GET /clusters/{name}/nodes."""

    permission_classes = [PlatformRight]
    serializer_class = ClusterSerializer
    lookup_field = "name"

    def get_queryset(self) -> QuerySet[Cluster]:
        return (
            Cluster.objects.prefetch_related("revisions")
            .annotate(nodes_total=Count("nodes"), nodes_ready=Count("nodes", filter=Q(nodes__ready="True")))
            .order_by("name")
        )

    @action(detail=True)
    def nodes(self, request: Request, name: str = "") -> Response:
        """The nodes as the API server last reported them."""
        return Response(NodeSerializer(self.get_object().nodes.all(), many=True).data)
