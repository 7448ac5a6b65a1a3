"""/tenants/{tenant}/apps/{app}/in/{environment}/healing: decisions of self-healing, answers to them, consents."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.healing import ladder
from apps.models import HealingConsent, HealingDecision, Workload
from apps.selectors.healing import shown
from apps.services import healing
from kcloud_site.tenants.api.things import InTenant


class HealingDecisionSerializer(serializers.ModelSerializer[HealingDecision]):
    why = serializers.CharField(help_text="Key of the reason.")
    reason = serializers.SerializerMethodField(help_text="The reason as a sentence.")
    evidence = serializers.SerializerMethodField()
    release = serializers.CharField(source="release.version", allow_null=True, default=None)

    class Meta:
        model = HealingDecision
        fields = (
            "id",
            "rung",
            "state",
            "mode",
            "why",
            "reason",
            "evidence",
            "release",
            "count",
            "first_at",
            "last_at",
            "decided_by",
            "operation_id",
        )
        read_only_fields = fields

    def get_reason(self, row: HealingDecision) -> str:
        return shown(row).why

    def get_evidence(self, row: HealingDecision) -> list[str]:
        return shown(row).evidence


class ConsentSerializer(serializers.Serializer[Any]):
    """The mode of each rung."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        modes = HealingConsent.Mode.choices
        return {
            rung.replace("-", "_"): serializers.ChoiceField(choices=modes, required=False)
            for rung in ladder.RUNGS
        }


class HealingViewSet(InTenant):
    """Decisions of self-healing about an application in an environment, newest first."""

    right = "app.view"
    rights = {"approve": "healing.manage", "decline": "healing.manage"}
    serializer_class = HealingDecisionSerializer
    lookup_value_regex = r"[0-9]{1,18}"

    def rows(self) -> QuerySet[HealingDecision]:
        return HealingDecision.objects.select_related("release", "workload").filter(
            workload__app__name=self.kwargs.get("app"),
            workload__environment__name=self.kwargs.get("environment"),
        )

    def list(self, request: Request, *_args: Any, **_names: Any) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, *_args: Any, **_names: Any) -> Response:
        """Carry out what was suggested."""
        return self._answered(healing.approve(decision=self.get_object(), by=request.user))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def decline(self, request: Request, *_args: Any, **_names: Any) -> Response:
        """Do not do it."""
        return self._answered(healing.decline(decision=self.get_object(), by=request.user))

    def _answered(self, row: HealingDecision) -> Response:
        return Response(self.get_serializer(row).data)


class ConsentViewSet(InTenant):
    """How far self-healing may go with an application in an environment."""

    right = "app.view"
    rights = {"update": "healing.manage"}
    serializer_class = ConsentSerializer
    pagination_class = None
    queryset = Workload.objects.none()

    def rows(self) -> QuerySet[Workload]:
        return Workload.objects.select_related("app", "tenant", "environment")

    def retrieve(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """The mode of each rung: chosen, or the default."""
        return Response(self._modes(self._workload(app, environment)))

    def update(self, request: Request, tenant: str = "", app: str = "", environment: str = "") -> Response:
        """Choose modes; rungs not named stay."""
        workload = self._workload(app, environment)
        given = ConsentSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        modes = {key.replace("_", "-"): mode for key, mode in given.validated_data.items()}
        healing.set_consents(workload=workload, modes=modes, by=request.user)
        return Response(self._modes(workload))

    def _workload(self, app: str, environment: str) -> Workload:
        rows = self.rows().filter(tenant=self.tenant)
        return get_object_or_404(rows, app__name=app, environment__name=environment)

    def _modes(self, workload: Workload) -> dict[str, str]:
        return {rung.replace("-", "_"): mode for rung, mode in healing.consents_of(workload).items()}
