"""/tenants/{tenant}/apps: applications, and the one call that publishes and deploys from CI."""

from __future__ import annotations

import copy
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.shapes import StrategySerializer, strategy_of
from apps.errors import ValueRefused
from apps.models import App, Release
from apps.selectors.workloads import right_to_change
from apps.services import apps as services
from apps.services import deployments, releases
from clusters.models import Environment
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted
from kcloud_site.operations.models import Operation
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant


class AppSpecSerializer(Strict):
    title = serializers.CharField(max_length=100, required=False, allow_blank=True)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    owner = serializers.CharField(max_length=150, required=False, allow_blank=True)
    contacts = serializers.CharField(max_length=300, required=False, allow_blank=True)
    repository = serializers.URLField(max_length=300, required=False, allow_blank=True)
    labels = serializers.DictField(child=serializers.CharField(max_length=100), required=False)
    criticality = serializers.ChoiceField(choices=App.Criticality.choices, required=False)
    reload = serializers.ChoiceField(choices=App.Reload.choices, required=False)


class AppSerializer(serializers.Serializer[App]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    tenant = serializers.CharField(source="tenant.name")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    spec = AppSpecSerializer(source="*")


class NewAppSerializer(Strict):
    name = serializers.CharField(max_length=40)
    spec = AppSpecSerializer(required=False, default=dict)


class AppChangeSerializer(Strict):
    spec = AppSpecSerializer()


class RemovedAppSerializer(Strict):
    """In the query of DELETE."""

    confirm_name = serializers.CharField(max_length=40, help_text="The application's name.")


class CiDeploySerializer(Strict):
    """One of `image` and `spec`, or neither for a version that is there already."""

    environment = serializers.CharField(max_length=30)
    version = serializers.CharField(max_length=64)
    image = serializers.CharField(
        max_length=500,
        required=False,
        default="",
        help_text="Instead of the first container's image of the newest release.",
    )
    spec = serializers.DictField(
        child=serializers.JSONField(allow_null=True), required=False, default=None, allow_null=True
    )
    notes = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)
    replicas = serializers.IntegerField(
        min_value=0, max_value=1000, required=False, allow_null=True, default=None
    )
    strategy = StrategySerializer(required=False, allow_null=True, default=None)


class AppViewSet(InTenant):
    """A tenant's applications."""

    right = "app.view"
    rights = {"create": "app.edit", "partial_update": "app.edit", "destroy": "app.remove"}
    serializer_class = AppSerializer
    lookup_field = "name"
    versioned = True
    queryset = App.objects.none()
    filter_backends = ()

    def rows(self) -> QuerySet[App]:
        return App.objects.select_related("tenant").order_by("name")

    @extend_schema(request=NewAppSerializer, responses={201: AppSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Register an application. Nothing runs yet."""
        owner = self.tenant
        given = self.valid(serializer=NewAppSerializer)
        made = services.register_app(tenant=owner, name=given["name"], by=request.user, **given["spec"])
        return self.answer(made, status=201, location=f"/api/v1/tenants/{owner.name}/apps/{made.name}")

    @extend_schema(request=AppChangeSerializer, responses=AppSerializer)
    def partial_update(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Change what is said of it; what is left out stays."""
        with self.changing() as app:
            given = self.valid(serializer=AppChangeSerializer)
            changed = services.edit_app(app=app, by=request.user, **given["spec"])
        return self.answer(changed)

    @extend_schema(
        parameters=[RemovedAppSerializer], responses={204: OpenApiResponse(description="It is gone")}
    )
    def destroy(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Forget it with its releases, once nothing of it runs or waits in a bin."""
        self.places = {"name": "/confirm_name"}
        with self.changing() as app:
            query = RemovedAppSerializer(data=request.query_params.dict())
            query.is_valid(raise_exception=True)
            services.remove_app(app=app, by=request.user, confirm_name=query.validated_data["confirm_name"])
        return Response(status=204)

    @extend_schema(request=CiDeploySerializer, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def deploy(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Publish a version, unless the very same is there already, and deploy it: one call for CI. Send an
        Idempotency-Key, so that a repeated job does it once."""
        app = self.get_object()
        permissions.check(request.user, "release.publish", app)
        given = self.valid(serializer=CiDeploySerializer)
        rows = Environment.objects.select_related("tenant", "cluster")
        place = get_object_or_404(rows, tenant=app.tenant, name=given["environment"])
        permissions.check(request.user, right_to_change(place), place)
        self.places = {"version": "/version", "image": "/image"}
        release = _released(app, given, request.user)
        made = deployments.deploy_release(
            app=app,
            environment=place,
            release=release,
            by=request.user,
            replicas=given["replicas"],
            strategy=strategy_of(given["strategy"]),
            note=given["notes"][:500],
        )
        return accepted(Operation.objects.get(pk=made.operation_id or 0))


def _released(app: App, given: dict[str, Any], by: Any) -> Release:
    spec = given["spec"]
    if spec is None and given["image"]:
        newest = app.releases.order_by("-number").first()
        if newest is None:
            raise ValueRefused(
                "image",
                _("There is no release yet whose image could be replaced."),
                "",
                _("Send a whole spec the first time."),
            )
        spec = copy.deepcopy(newest.spec)
        spec["containers"][0]["image"] = given["image"]
    if spec is None:
        return get_object_or_404(app.releases, version=given["version"])
    return releases.publish_or_reuse(
        app=app, version=given["version"], spec=spec, by=by, notes=given["notes"]
    )
