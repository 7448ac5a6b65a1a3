"""/operations: what is at work and what was; its log, cancel, resume. `accepted` is the answer of all long work."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.operations import log_pages, services
from kcloud_site.operations.models import ACTIVE, LogLine, Operation, State, Step
from kcloud_site.rest.serializers import Reason, Strict
from kcloud_site.tenants.api.things import TenantThings

RETRY_AFTER = 2


class SubjectSerializer(serializers.Serializer[Operation]):
    type = serializers.CharField(source="subject_type")
    id = serializers.CharField(source="subject_id")
    name = serializers.CharField(source="subject_name")


class FailureSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    why = serializers.CharField()
    remedy = serializers.CharField()
    step = serializers.CharField()
    target = serializers.CharField()


class OperationStatusSerializer(serializers.Serializer[Operation]):
    state = serializers.ChoiceField(choices=State.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    last_event_at = serializers.DateTimeField(allow_null=True)
    cancel_requested_at = serializers.DateTimeField(allow_null=True)
    last_line = serializers.IntegerField()
    failure = serializers.SerializerMethodField()

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_failure(self, operation: Operation) -> dict[str, str] | None:
        """What, why and the remedy; null unless it failed."""
        if not operation.failure:
            return None
        names = ("what", "why", "remedy", "step", "target")
        return {name: str(operation.failure.get(name) or "") for name in names}


class StepSerializer(serializers.Serializer[Step]):
    key = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    targets = serializers.SerializerMethodField()

    @extend_schema_field(serializers.DictField(child=serializers.ChoiceField(choices=State.choices)))
    def get_targets(self, step: Step) -> dict[str, str]:
        """The state of each target by its name."""
        return {target.target: target.state for target in step.targets.all()}


class DetailedStatusSerializer(OperationStatusSerializer):
    steps = StepSerializer(many=True)


class OperationSerializer(serializers.Serializer[Operation]):
    id = serializers.IntegerField()
    kind = serializers.CharField()
    tenant = serializers.CharField(source="tenant.name", default=None, allow_null=True)
    subject = SubjectSerializer(source="*")
    requested_by = serializers.CharField(source="requested_by_name")
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    status = OperationStatusSerializer(source="*")


class DetailedOperationSerializer(OperationSerializer):
    status = DetailedStatusSerializer(source="*")


class LogLineSerializer(serializers.Serializer[LogLine]):
    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    step = serializers.CharField()
    target = serializers.CharField()
    level = serializers.ChoiceField(choices=LogLine.Level.choices)
    text = serializers.CharField()


class LogSerializer(serializers.Serializer[Any]):
    lines = LogLineSerializer(many=True)
    after = serializers.IntegerField(help_text="Ask with this number for what follows.")
    complete = serializers.BooleanField(help_text="The operation has ended and nothing follows.")


class LogQuery(Strict):
    after = serializers.IntegerField(min_value=0, max_value=2_000_000_000, default=0)
    host = serializers.CharField(max_length=100, default="", allow_blank=True)
    step = serializers.CharField(max_length=60, default="", allow_blank=True)


class OperationFilter(django_filters.FilterSet):
    state = django_filters.ChoiceFilter(choices=[("active", "active"), *State.choices], method="in_state")
    kind = django_filters.CharFilter(max_length=60)
    tenant = django_filters.CharFilter(field_name="tenant__name", max_length=30)
    subject_type = django_filters.CharFilter(max_length=60)
    subject_id = django_filters.CharFilter(max_length=60)
    subject = django_filters.CharFilter(
        field_name="subject_name", lookup_expr="icontains", max_length=100, label="Part of the subject's name"
    )

    def in_state(self, rows: QuerySet[Operation], _name: str, value: str) -> QuerySet[Operation]:
        return rows.filter(state__in=ACTIVE if value == "active" else [value])


def accepted(operation: Operation) -> Response:
    """202: the work was written down; where to follow it, and when to ask first."""
    headers = {"Location": f"/api/v1/operations/{operation.pk}", "Retry-After": str(RETRY_AFTER)}
    return Response(DetailedOperationSerializer(operation).data, status=202, headers=headers)


class OperationViewSet(TenantThings):
    """Operations: everything slow."""

    right = "operation.view"
    rights = {"cancel": "operation.control", "resume": "operation.control"}
    serializer_class = DetailedOperationSerializer
    filterset_class = OperationFilter
    lookup_value_regex = "[0-9]{1,18}"
    queryset = Operation.objects.none()

    def rows(self) -> QuerySet[Operation]:
        found = Operation.objects.select_related("tenant").defer("inputs").order_by("-id")
        return found if self.action == "list" else found.prefetch_related("steps__targets")

    def get_serializer_class(self) -> Any:
        return OperationSerializer if self.action == "list" else DetailedOperationSerializer

    @extend_schema(
        responses=LogSerializer,
        parameters=[
            OpenApiParameter("after", {"type": "integer", "minimum": 0}, description="A line's number"),
            OpenApiParameter("host", str),
            OpenApiParameter("step", str),
        ],
    )
    @action(detail=True)
    def log(self, request: Request, pk: str = "") -> Response:
        """Lines of the log after line `after`, each once and without a gap, however often it is asked for."""
        operation = self.get_object()
        query = LogQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        shown = log_pages.following(
            operation, log_pages.Filter(host=asked["host"], step=asked["step"]), asked["after"]
        )
        complete = not operation.is_active and not shown.later
        data = {"lines": shown.lines, "after": shown.after, "complete": complete}
        headers = {} if complete else {"Retry-After": str(RETRY_AFTER)}
        return Response(LogSerializer(data).data, headers=headers)

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str = "") -> Response:
        """Ask the operation to stop. One that has ended is left as it is."""
        operation = self.get_object()
        reason = self.valid(serializer=Reason)["reason"]
        return accepted(services.cancel_operation(operation=operation, by=request.user, reason=reason))

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str = "") -> Response:
        """Go on where it stopped: what succeeded is not done again."""
        operation = self.get_object()
        reason = self.valid(serializer=Reason)["reason"]
        return accepted(services.resume_operation(operation=operation, by=request.user, reason=reason))
