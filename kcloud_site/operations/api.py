"""Operations over the API, read-only: what is asked for through a service is followed here."""

from django.db.models import QuerySet
from rest_framework import serializers, viewsets

from kcloud_site.operations.models import Operation, Step
from kcloud_site.tenants import permissions


class StepSerializer(serializers.ModelSerializer[Step]):
    targets = serializers.SerializerMethodField()

    class Meta:
        model = Step
        fields = ["key", "state", "started_at", "finished_at", "targets"]

    def get_targets(self, step: Step) -> dict[str, str]:
        """The state of each target by its name."""
        return {target.target: target.state for target in step.targets.all()}


class OperationSerializer(serializers.ModelSerializer[Operation]):
    subject = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField()

    class Meta:
        model = Operation
        fields = ["id", "kind", "subject", "requested_by_name", "reason", "created_at", "status"]

    def get_subject(self, operation: Operation) -> dict[str, str]:
        return {
            "type": operation.subject_type,
            "id": operation.subject_id,
            "name": operation.subject_name,
        }

    def get_status(self, operation: Operation) -> dict[str, object]:
        """State, times, failure (what, why, remedy) and the steps with their targets."""
        return {
            "state": operation.state,
            "started_at": operation.started_at,
            "finished_at": operation.finished_at,
            "last_event_at": operation.last_event_at,
            "failure": operation.failure or None,
            "steps": StepSerializer(operation.steps.all(), many=True).data,
        }


class OperationViewSet(viewsets.ReadOnlyModelViewSet[Operation]):
    """GET /operations, GET /operations/{id}."""

    serializer_class = OperationSerializer

    def get_queryset(self) -> QuerySet[Operation]:
        if self.action == "list":
            permissions.check_anywhere(self.request.user, "operation.view")
        mine = permissions.visible(Operation.objects.all(), self.request.user, "operation.view")
        return mine.prefetch_related("steps__targets").order_by("-id")
