"""…/in/{environment}/deployment-requests: ask for a deployment, schedule one, approve, decline, withdraw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.shapes import NewDeploymentSerializer
from apps.api.workloads import InPlace
from apps.models import DeploymentRequest
from apps.selectors import approvals as reading
from apps.selectors.workloads import right_to_change
from apps.services import approvals
from clusters.api.environments import TroubleField
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants import permissions


class DeploymentRequestSpecSerializer(serializers.Serializer[DeploymentRequest]):
    version = serializers.CharField(source="release.version")
    replicas = serializers.IntegerField(allow_null=True, help_text="null: as they are then.")
    config_revision = serializers.IntegerField(allow_null=True)
    strategy = serializers.DictField(child=serializers.JSONField())
    deploy_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


class DeploymentRequestStatusSerializer(serializers.Serializer[DeploymentRequest]):
    state = serializers.ChoiceField(choices=DeploymentRequest.State.choices)
    failure = TroubleField()
    decided_by = serializers.CharField(source="decided_by_name")
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField()
    deployment = serializers.IntegerField(source="deployment.number", default=None, allow_null=True)


class DeploymentRequestSerializer(serializers.Serializer[DeploymentRequest]):
    id = serializers.IntegerField()
    requested_by = serializers.CharField(source="requested_by_name")
    created_at = serializers.DateTimeField()
    spec = DeploymentRequestSpecSerializer(source="*")
    status = DeploymentRequestStatusSerializer(source="*")


class NewDeploymentRequestSerializer(NewDeploymentSerializer):
    """What to deploy; `note` says why, and whoever decides reads it."""

    deploy_at = serializers.DateTimeField(
        required=False, allow_null=True, default=None, help_text="Not before then; null: once approved."
    )
    schedule = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Ask nobody, and deploy at `deploy_at`: for whoever may deploy there.",
    )


class DeploymentDecisionSerializer(Strict):
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class DeploymentRequestViewSet(InPlace):
    """Deployments somebody asked for, newest first."""

    serializer_class = DeploymentRequestSerializer
    queryset = DeploymentRequest.objects.none()
    lookup_field = "pk"
    rights = {name: "deployment.run" for name in ("create", "approve", "decline", "withdraw")}

    def rows(self) -> QuerySet[Any]:
        names = {"app__name": self.kwargs["app"], "environment__name": self.kwargs["environment"]}
        return reading.requests_of(self.tenant).filter(**names)

    def get_object(self) -> Any:
        return get_object_or_404(self.rows(), pk=self.kwargs["pk"])

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.page(self.rows())

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.answer(self.get_object())

    @extend_schema(request=NewDeploymentRequestSerializer, responses={201: DeploymentRequestSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Ask somebody who may deploy there, or schedule it."""
        chosen, given = self.chosen(*self.place("deployment.run"), NewDeploymentRequestSerializer)
        self.places = {**self.places, "reason": "/note", "deploy_at": "/deploy_at"}
        where = chosen["environment"]
        if given["schedule"]:
            permissions.check(request.user, right_to_change(where), where)
        service = approvals.schedule if given["schedule"] else approvals.ask
        made = service(by=request.user, reason=given["note"], deploy_at=given["deploy_at"], **chosen)
        return self.answer(made, status=201)

    @extend_schema(request=DeploymentDecisionSerializer, responses=DeploymentRequestSerializer)
    def approve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Deploy it now, or at its hour. Nobody approves what they asked for."""
        return self._decided(approvals.approve)

    @extend_schema(request=DeploymentDecisionSerializer, responses=DeploymentRequestSerializer)
    def decline(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """With a reason."""
        return self._decided(approvals.decline)

    @extend_schema(request=DeploymentDecisionSerializer, responses=DeploymentRequestSerializer)
    def withdraw(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """By whoever asked, or by somebody who may deploy there."""
        return self._decided(approvals.withdraw)

    def _decided(self, service: Callable[..., DeploymentRequest]) -> Response:
        found = self.get_object()
        if service is not approvals.withdraw:
            permissions.check(self.request.user, right_to_change(found.environment), found.environment)
        self.places = {"reason": "/reason"}
        given = self.valid(serializer=DeploymentDecisionSerializer)
        return self.answer(service(request=found, by=self.request.user, reason=given["reason"]))
