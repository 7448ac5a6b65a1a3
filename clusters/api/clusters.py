"""/clusters: planned, imported, looked at; `spec` is what is planned, `status` what is there."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import Count, F, OuterRef, Prefetch, Q, QuerySet, Subquery
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.api.plans import PlanActions
from clusters.api.shapes import (
    ClusterSerializer,
    ImportSerializer,
    KubeconfigSerializer,
    NewPlanSerializer,
    NodeSerializer,
)
from clusters.errors import ClusterUnreachable, ValueRefused
from clusters.models import Cluster, PlanRevision
from clusters.services import imports, kubeconfigs, plans
from kcloud_site.rest.serializers import Reason
from kcloud_site.rest.views import ReadableViewSet
from kcloud_site.tenants.permissions import PlatformRight


class ClusterFilter(django_filters.FilterSet):
    region = django_filters.CharFilter(field_name="region__name", max_length=40)
    state = django_filters.ChoiceFilter(choices=Cluster.State.choices)
    health = django_filters.ChoiceFilter(choices=Cluster.Health.choices)
    origin = django_filters.ChoiceFilter(choices=Cluster.Origin.choices)
    version = django_filters.CharFilter(max_length=20)


class ClusterViewSet(PlanActions, ReadableViewSet):
    """Kubernetes clusters."""

    permission_classes = [PlatformRight]
    serializer_class = ClusterSerializer
    filterset_class = ClusterFilter
    lookup_field = "name"
    secret_fields = ("kubeconfig",)

    def get_queryset(self) -> QuerySet[Any]:
        newest = PlanRevision.objects.filter(cluster=OuterRef("cluster")).order_by("-number").values("number")
        revisions = PlanRevision.objects.filter(number=Subquery(newest[:1]))
        return (
            Cluster.objects.select_related("region")
            .prefetch_related(Prefetch("revisions", queryset=revisions))
            .annotate(nodes_total=Count("nodes"), nodes_ready=Count("nodes", filter=Q(nodes__ready="True")))
            .order_by(F("name"))
        )

    def _made(self, cluster: Cluster) -> Response:
        found = self.get_queryset().get(pk=cluster.pk)
        return self.answer(found, status=201, location=f"/api/v1/clusters/{cluster.name}")

    @extend_schema(request=NewPlanSerializer, responses={201: ClusterSerializer})
    def create(self, request: Request) -> Response:
        """Plan a cluster: a draft. Nothing is touched until it is deployed."""
        chosen = self.valid(serializer=NewPlanSerializer)
        return self._made(plans.create_cluster(spec=chosen["spec"], note=chosen["note"], by=request.user))

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str = "") -> Response:
        """Forget a draft that was never deployed."""
        plans.discard_draft(cluster=self.get_object(), by=request.user)
        return Response(status=204)

    @extend_schema(request=ImportSerializer, responses={201: ClusterSerializer})
    @action(detail=False, methods=["post"], url_path="import")
    def import_(self, request: Request) -> Response:
        """Take over a running cluster by its kubeconfig."""
        self.places = {name: f"/{name}" for name in ("name", "region", "kubeconfig")}
        chosen = self.valid(serializer=ImportSerializer)
        text = chosen.pop("kubeconfig")
        try:
            return self._made(imports.import_cluster(**chosen, text=text, by=request.user))
        except ClusterUnreachable as error:
            # It is the address in this request that does not answer.
            raise ValueRefused("kubeconfig", error.what, error.why, error.remedy) from error

    @extend_schema(responses=NodeSerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None)
    def nodes(self, request: Request, name: str = "") -> Response:
        """The nodes as the API server last reported them."""
        return Response(NodeSerializer(self.get_object().nodes.all(), many=True).data)

    @extend_schema(request=Reason, responses=KubeconfigSerializer)
    @action(detail=True, methods=["post"])
    def kubeconfig(self, request: Request, name: str = "") -> Response:
        """A kubeconfig in the person's name, good for a day."""
        cluster = self.get_object()
        reason = self.valid(serializer=Reason)["reason"]
        text = kubeconfigs.issue_kubeconfig(cluster=cluster, by=request.user, reason=reason)
        return Response({"kubeconfig": text})
