"""/tenants/{tenant}/environments: shares of clusters. Making, changing and removing them is long work: 202."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.api.amounts import AmountSerializer, amount, places
from clusters.models import Cluster, Environment
from clusters.selectors.environments import TYPE
from clusters.services import environments
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted
from kcloud_site.operations.models import Operation
from kcloud_site.rest.serializers import Reason, Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant
from kcloud_site.tenants.resources import Resources


class EnvironmentSpecSerializer(serializers.Serializer[Environment]):
    cluster = serializers.CharField(source="cluster.name")
    stage = serializers.ChoiceField(choices=Environment.Stage.choices)
    share = AmountSerializer(source="resources")
    protected = serializers.BooleanField()
    repair = serializers.ChoiceField(choices=Environment.Repair.choices)


class TroubleSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    why = serializers.CharField()
    remedy = serializers.CharField()


@extend_schema_field(TroubleSerializer(allow_null=True))
class TroubleField(serializers.Field[Any, Any, Any, Any]):
    """What, why and the remedy; null when there is no trouble."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Any) -> dict[str, str] | None:
        return {name: str(value.get(name) or "") for name in ("what", "why", "remedy")} if value else None


class DifferenceSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    name = serializers.CharField()
    what = serializers.CharField()


class EnvironmentStatusSerializer(serializers.Serializer[Environment]):
    state = serializers.ChoiceField(choices=Environment.State.choices)
    reason = TroubleField(source="state_reason")
    namespace = serializers.CharField()
    frozen = serializers.BooleanField()
    used = serializers.SerializerMethodField()
    drift = DifferenceSerializer(many=True)
    seen_at = serializers.DateTimeField(allow_null=True)
    ready_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(AmountSerializer(allow_null=True))
    def get_used(self, environment: Environment) -> dict[str, str] | None:
        """By the API server's own count; null when nobody has looked yet."""
        return None if environment.used is None else Resources(**environment.used).to_json()


class EnvironmentSerializer(serializers.Serializer[Environment]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    tenant = serializers.CharField(source="tenant.name")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    generation = serializers.IntegerField()
    spec = EnvironmentSpecSerializer(source="*")
    status = EnvironmentStatusSerializer(source="*")


class NewEnvironmentSpecSerializer(Strict):
    cluster = serializers.SlugRelatedField(slug_field="name", queryset=Cluster.objects.all())
    stage = serializers.ChoiceField(choices=Environment.Stage.choices)
    share = AmountSerializer()
    protected = serializers.BooleanField(
        required=False, allow_null=True, default=None, help_text="Null: production is, others are not."
    )


class NewEnvironmentSerializer(Reason):
    name = serializers.CharField(max_length=30)
    spec = NewEnvironmentSpecSerializer()


class EnvironmentChangeSpecSerializer(Strict):
    share = AmountSerializer(required=False, help_text="Parts that are left out stay as they are.")
    protected = serializers.BooleanField(required=False, help_text="Needs the right to remove it.")
    repair = serializers.ChoiceField(choices=Environment.Repair.choices, required=False)


class EnvironmentChangeSerializer(Reason):
    spec = EnvironmentChangeSpecSerializer()


class RemovalSerializer(Reason):
    """In the query of DELETE."""

    confirm_name = serializers.CharField(max_length=63, help_text="The namespace: all in it is deleted.")
    give_up = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Forget it where its cluster cannot be reached. For platform operators.",
    )


class EnvironmentFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=Environment.State.choices)
    stage = django_filters.ChoiceFilter(choices=Environment.Stage.choices)
    cluster = django_filters.CharFilter(field_name="cluster__name", max_length=40)


class EnvironmentViewSet(InTenant):
    """A tenant's environments."""

    right = "environment.view"
    rights = {
        "create": "platform.operate",
        "partial_update": "environment.resize",
        "destroy": "environment.remove",
        "freeze": "environment.freeze",
        "thaw": "environment.freeze",
        "repair": "environment.resize",
    }
    serializer_class = EnvironmentSerializer
    filterset_class = EnvironmentFilter
    lookup_field = "name"
    versioned = True
    places = {"name": "/name", **places("/spec/share")}
    queryset = Environment.objects.none()

    def rows(self) -> QuerySet[Environment]:
        return Environment.objects.select_related("tenant", "cluster").defer("sealed_token").order_by("name")

    def get_object(self) -> Environment:
        """For whoever has the right on it: by role, or as an exception on this one."""
        found = get_object_or_404(
            self.rows(), tenant__name=self.kwargs["tenant"], name=self.kwargs[self.lookup_field]
        )
        permissions.check(self.request.user, self.needed(), found)
        return found

    @extend_schema(request=NewEnvironmentSerializer, responses={202: DetailedOperationSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Make an environment. For platform operators; tenants ask for one by a request."""
        owner = self.tenant
        chosen = self.valid(serializer=NewEnvironmentSerializer)
        spec = chosen["spec"]
        made = environments.create_environment(
            tenant=owner,
            cluster=spec["cluster"],
            name=chosen["name"],
            stage=spec["stage"],
            share=amount(spec["share"]),
            protected=spec["protected"],
            by=request.user,
            reason=chosen["reason"],
        )
        about = Operation.objects.filter(subject_type=TYPE, subject_id=str(made.pk))
        return accepted(about.latest("id"))

    @extend_schema(
        request=EnvironmentChangeSerializer,
        responses={
            200: OpenApiResponse(EnvironmentSerializer, description="Nothing had to be done on the cluster"),
            202: OpenApiResponse(DetailedOperationSerializer, description="The share is being changed"),
        },
    )
    def partial_update(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Give it another share; guard it against removal; say whether differences are repaired by themselves."""
        with self.changing() as environment:
            chosen = self.valid(serializer=EnvironmentChangeSerializer)
            operation = self._change(environment, chosen["spec"], chosen["reason"])
        return self.answer(self.get_object()) if operation is None else accepted(operation)

    def _change(self, environment: Environment, spec: dict[str, Any], reason: str) -> Operation | None:
        told: dict[str, Any] = {"environment": environment, "by": self.request.user, "reason": reason}
        if "protected" in spec:
            permissions.check(self.request.user, "environment.remove", environment)
            environments.protect_environment(protected=spec["protected"], **told)
        if "repair" in spec:
            environments.set_repair(repair=spec["repair"], **told)
        if "share" not in spec:
            return None
        share = amount(spec["share"], environment.resources)
        return environments.resize_environment(share=share, **told)

    @extend_schema(parameters=[RemovalSerializer], responses={202: DetailedOperationSerializer})
    def destroy(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Delete the namespace with everything in it. `confirm_name` is the namespace's name."""
        self.places = {"name": "/confirm_name"}
        with self.changing() as environment:
            query = RemovalSerializer(data=request.query_params.dict())
            query.is_valid(raise_exception=True)
            if query.validated_data["give_up"]:
                permissions.check(request.user, "platform.operate", environment)
            operation = environments.remove_environment(
                environment=environment, by=request.user, **query.validated_data
            )
        return accepted(operation)

    def _ask(self, service: Callable[..., Operation]) -> Response:
        found = self.get_object()
        reason = self.valid(serializer=Reason)["reason"]
        return accepted(service(environment=found, by=self.request.user, reason=reason))

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def freeze(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Hold everything as it is: what runs goes on, nothing new starts."""
        return self._ask(environments.freeze_environment)

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def thaw(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Let it be changed again."""
        return self._ask(environments.thaw_environment)

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def repair(self, request: Request, tenant: str = "", name: str = "") -> Response:
        """Apply everything again as it should be."""
        return self._ask(environments.repair_environment)
