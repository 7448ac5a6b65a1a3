"""/tenants/{tenant}/requests, where tenants ask, and /requests, where platform operators decide."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.api.amounts import AmountSerializer, amount, places
from clusters.api.environments import TroubleField
from clusters.models import Cluster, Environment, RequestComment, TenantRequest
from clusters.services import applying, requests
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant, TenantThings

Kind = TenantRequest.Kind
# What each kind needs in its spec; nothing else is taken.
_FIELDS: dict[str, tuple[str, ...]] = {
    Kind.ENVIRONMENT: ("name", "stage", "cluster", "share"),
    Kind.QUOTA: ("amount",),
    Kind.LOAN: ("amount", "until"),
}


class RequestSpecSerializer(Strict):
    """environment: name, stage, cluster, share; quota: amount, by how much more; loan: amount, until."""

    name = serializers.CharField(required=False, max_length=30)
    stage = serializers.ChoiceField(choices=Environment.Stage.choices, required=False)
    cluster = serializers.SlugRelatedField(
        slug_field="name", queryset=Cluster.objects.filter(state=Cluster.State.READY), required=False
    )
    share = AmountSerializer(required=False)
    amount = AmountSerializer(required=False)
    until = serializers.DateTimeField(required=False)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return dict(instance)


class CommentSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    author = serializers.CharField(read_only=True)
    by_operator = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    text = serializers.CharField(max_length=2000)


class RequestStatusSerializer(serializers.Serializer[TenantRequest]):
    state = serializers.ChoiceField(choices=TenantRequest.State.choices)
    failure = TroubleField()
    decided_by = serializers.CharField(source="decided_by_name")
    decision_reason = serializers.CharField()
    decided_at = serializers.DateTimeField(allow_null=True)
    operation = serializers.IntegerField(source="operation_id", allow_null=True)


class DetailedRequestStatusSerializer(RequestStatusSerializer):
    comments = CommentSerializer(many=True)


class RequestSerializer(serializers.Serializer[TenantRequest]):
    id = serializers.IntegerField()
    tenant = serializers.CharField(source="tenant.name")
    kind = serializers.ChoiceField(choices=Kind.choices)
    reason = serializers.CharField()
    requested_by = serializers.CharField(source="requested_by_name")
    created_at = serializers.DateTimeField()
    spec = RequestSpecSerializer(source="wanted")
    status = RequestStatusSerializer(source="*")


class DetailedRequestSerializer(RequestSerializer):
    status = DetailedRequestStatusSerializer(source="*")


class NewRequestSerializer(Strict):
    kind = serializers.ChoiceField(choices=Kind.choices)
    reason = serializers.CharField(max_length=1000)
    spec = RequestSpecSerializer()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what the kind lacks, and what it does not have."""
        wanted = _FIELDS[attrs["kind"]]
        needed = [serializers.Field.default_error_messages["required"]]
        wrong = {name: needed for name in wanted if name not in attrs["spec"]}
        text = _("There is no such field to set. Fields: %(names)s.") % {"names": ", ".join(wanted)}
        wrong |= {name: [text] for name in attrs["spec"] if name not in wanted}
        if wrong:
            raise serializers.ValidationError({"spec": wrong})
        return attrs


class DecisionSerializer(Strict):
    reason = serializers.CharField(required=False, default="", allow_blank=True, max_length=1000)


class RequestFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=TenantRequest.State.choices)
    kind = django_filters.ChoiceFilter(choices=Kind.choices)


class QueueFilter(RequestFilter):
    tenant = django_filters.CharFilter(field_name="tenant__name", max_length=30)


class _Requests(TenantThings):
    """Rows and shapes of both addresses."""

    lookup_value_regex = "[0-9]{1,18}"
    places = {"reason": "/reason", "text": "/text"}
    queryset = TenantRequest.objects.none()

    def rows(self) -> QuerySet[TenantRequest]:
        found = TenantRequest.objects.select_related("tenant", "operation").order_by("-id")
        return found if self.action == "list" else found.prefetch_related("comments")

    def get_serializer_class(self) -> Any:
        return RequestSerializer if self.action == "list" else DetailedRequestSerializer


class TenantRequestViewSet(InTenant, _Requests):
    """What a tenant asks the platform for."""

    right = "request.view"
    rights = {"create": "request.create", "comment": "request.create", "withdraw": "request.create"}
    filterset_class = RequestFilter

    @extend_schema(request=NewRequestSerializer, responses={201: DetailedRequestSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Ask for an environment, for more quota, or to borrow some."""
        owner = self.tenant
        chosen = self.valid(serializer=NewRequestSerializer)
        spec, kind = chosen["spec"], chosen["kind"]
        part = "share" if kind == Kind.ENVIRONMENT else "amount"
        self.places = {**self.places, **places(f"/spec/{part}")}
        wanted = {**spec, part: amount(spec[part])}
        services: dict[str, Any] = {
            Kind.ENVIRONMENT: requests.ask_for_environment,
            Kind.QUOTA: requests.ask_for_quota,
            Kind.LOAN: requests.ask_for_loan,
        }

        def page(pk: int) -> str:
            return request.build_absolute_uri(reverse("clusters:request", args=[owner.name, pk]))

        made = services[kind](tenant=owner, **wanted, reason=chosen["reason"], by=request.user, address=page)
        location = f"/api/v1/tenants/{owner.name}/requests/{made.pk}"
        return self.answer(made, status=201, location=location)

    @extend_schema(request=CommentSerializer, responses={201: CommentSerializer})
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Say something about it; both sides read it."""
        found = self.get_object()
        text = self.valid(serializer=CommentSerializer)["text"]
        said: RequestComment = requests.comment(request=found, text=text, by=request.user)
        return Response(CommentSerializer(said).data, status=201)

    @extend_schema(request=DecisionSerializer, responses=DetailedRequestSerializer)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Take it back before it is decided: by whoever asked, or an owner of the tenant."""
        found = self.get_object()
        if found.requested_by_id != request.user.pk:
            permissions.check(request.user, "tenant.edit", found)
        reason = self.valid(serializer=DecisionSerializer)["reason"]
        requests.withdraw(request=found, by=request.user, reason=reason)
        return self.answer(self.get_object())


class RequestQueueViewSet(_Requests):
    """Requests of every tenant, for whoever decides on them."""

    right = "request.view"
    rights = dict.fromkeys(("approve", "decline", "apply"), "request.decide")
    filterset_class = QueueFilter

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """All of them, the newest first; `?state=open` are those that wait."""
        permissions.check(request.user, "platform.view")
        return self.page(self.get_queryset())

    @extend_schema(request=DecisionSerializer, responses=DetailedRequestSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str = "") -> Response:
        """Say yes, and do it at once. Where it cannot be done, `status.failure` says why."""
        found = self.get_object()
        reason = self.valid(serializer=DecisionSerializer)["reason"]
        requests.approve(request=found, by=request.user, reason=reason)
        return self.answer(self.get_object())

    @extend_schema(request=DecisionSerializer, responses=DetailedRequestSerializer)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, pk: str = "") -> Response:
        """Say no, and why: the requester reads it."""
        found = self.get_object()
        reason = self.valid(serializer=DecisionSerializer)["reason"]
        requests.decline(request=found, by=request.user, reason=reason)
        return self.answer(self.get_object())

    @extend_schema(request=None, responses=DetailedRequestSerializer)
    @action(detail=True, methods=["post"])
    def apply(self, request: Request, pk: str = "") -> Response:
        """Do again what was approved and failed."""
        applying.apply(request=self.get_object(), by=request.user)
        return self.answer(self.get_object())
