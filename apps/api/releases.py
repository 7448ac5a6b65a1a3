"""/tenants/{tenant}/apps/{app}/releases: immutable versions of an application."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.models import App, Release
from apps.services import releases
from apps.specs.comparing import differences
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants.api.things import InTenant


class ReleaseSerializer(serializers.Serializer[Release]):
    id = serializers.IntegerField()
    number = serializers.IntegerField()
    version = serializers.CharField()
    notes = serializers.CharField()
    source = serializers.ChoiceField(choices=Release.Source.choices)  # type: ignore[assignment]
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    spec = serializers.DictField(child=serializers.JSONField(allow_null=True))


class NewReleaseSerializer(Strict):
    version = serializers.CharField(max_length=64)
    spec = serializers.DictField(child=serializers.JSONField(allow_null=True))
    notes = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)


class FieldSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    what = serializers.ChoiceField(choices=["added", "removed", "changed"])
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class DiffQuery(Strict):
    with_number = serializers.IntegerField(min_value=1, max_value=2_000_000_000)


class DiffSerializer(serializers.Serializer[Any]):
    changes = FieldSerializer(many=True)


class ReleaseViewSet(InTenant):
    """Releases of one application, newest first."""

    right = "app.view"
    rights = {"create": "release.publish"}
    serializer_class = ReleaseSerializer
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,9}"
    queryset = Release.objects.none()
    filter_backends = ()

    def rows(self) -> QuerySet[Release]:
        rows = Release.objects.order_by("-number")
        return rows.filter(app__name=self.kwargs["app"]) if "app" in self.kwargs else rows

    @property
    def app(self) -> App:
        return get_object_or_404(
            App.objects.select_related("tenant"), tenant=self.tenant, name=self.kwargs["app"]
        )

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.page(self.rows().filter(app=self.app))

    @extend_schema(request=NewReleaseSerializer, responses={201: ReleaseSerializer})
    def create(self, request: Request, tenant: str = "", app: str = "") -> Response:
        """Publish a release. Tags of images become digests now."""
        found = self.app
        given = self.valid(serializer=NewReleaseSerializer)
        self.places = {"version": "/version"}
        made = releases.publish_release(app=found, by=request.user, source=Release.Source.API, **given)
        return self.answer(made, status=201, location=f"{request.path}/{made.number}")

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "with_number",
                {"type": "integer", "minimum": 1},
                required=True,
                description="The other release",
            )
        ],
        responses=DiffSerializer,
    )
    @action(detail=True)
    def diff(self, request: Request, tenant: str = "", app: str = "", number: str = "") -> Response:
        """What differs from another release to this one, field by field."""
        one = self.get_object()
        query = DiffQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        other = get_object_or_404(self.rows(), app_id=one.app_id, number=query.validated_data["with_number"])
        found = differences(other.spec, one.spec)
        return Response(DiffSerializer({"changes": found}).data)
