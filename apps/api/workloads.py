"""…/apps/{app}/in/{environment}: what runs there, its deployments and pods; previews; deploy, scale, restart, undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.shapes import DeploymentSerializer, NewDeploymentSerializer, strategy_of
from apps.models import App, Deployment, Workload
from apps.previewing.report import WHATS, Preview
from apps.selectors.deployments import deployments_of
from apps.selectors.seen_pods import STATES, Wanted, pods_seen
from apps.selectors.workloads import right_to_change
from apps.services import bin as bins
from apps.services import deployments, previewing
from clusters.api.environments import TroubleField
from clusters.models import Environment
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted
from kcloud_site.operations.models import Operation
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant

PODS_A_PAGE = 200
ACTIONS: dict[str, Callable[..., Deployment]] = {
    "restart": deployments.restart_workload,
    "undo": deployments.undo_deployment,
    "stop": deployments.stop_workload,
    "start": deployments.start_workload,
}


class WorkloadSpecSerializer(serializers.Serializer[Workload]):
    release = serializers.CharField(source="release.version", default=None, allow_null=True)
    config_revision = serializers.IntegerField(allow_null=True)
    replicas = serializers.IntegerField()
    stopped = serializers.BooleanField()


class WorkloadStatusSerializer(serializers.Serializer[Workload]):
    state = serializers.ChoiceField(choices=Workload.State.choices)
    reason = TroubleField(source="state_reason")
    observed = serializers.DictField(child=serializers.IntegerField())
    seen_at = serializers.DateTimeField(allow_null=True)
    good_release = serializers.CharField(source="good_release.version", default=None, allow_null=True)
    purge_at = serializers.DateTimeField(allow_null=True, help_text="In the bin until then.")


class WorkloadSerializer(serializers.Serializer[Workload]):
    id = serializers.IntegerField()
    app = serializers.CharField(source="app.name")
    environment = serializers.CharField(source="environment.name")
    generation = serializers.IntegerField()
    spec = WorkloadSpecSerializer(source="*")
    status = WorkloadStatusSerializer(source="*")


class WorkloadChangeSpecSerializer(Strict):
    replicas = serializers.IntegerField(min_value=0, max_value=1000, required=False)
    stopped = serializers.BooleanField(required=False)


class WorkloadChangeSerializer(Strict):
    spec = WorkloadChangeSpecSerializer(help_text="One of the two.")
    note = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class ActionSerializer(Strict):
    action = serializers.ChoiceField(choices=list(ACTIONS))
    note = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class BinQuery(Strict):
    """In the query of DELETE."""

    confirm_name = serializers.CharField(max_length=40, help_text="The application's name.")


class PodsQuery(Strict):
    """In the query of pods."""

    state = serializers.ChoiceField(choices=STATES, required=False, default="")
    node = serializers.CharField(max_length=253, required=False, default="", help_text="Part of its name.")
    q = serializers.CharField(max_length=253, required=False, default="", help_text="Part of the pod's name.")
    page = serializers.IntegerField(min_value=1, max_value=1000, required=False, default=1)


class PodSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    node = serializers.CharField(default="")
    phase = serializers.CharField(default="")
    ready = serializers.BooleanField(default=False)
    restarts = serializers.IntegerField(default=0)
    reason = serializers.CharField(default="")
    message = serializers.CharField(default="")
    release = serializers.CharField(default="")
    config = serializers.CharField(default="")


class PodsSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="There may be more than are told of.")
    count = serializers.IntegerField(help_text="As many as fit the query.")
    pods = PodSerializer(many=True, help_text="Worst first, as the watch saw them last.")


class ChangedFieldSerializer(serializers.Serializer[Any]):
    path = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)


class ChangedObjectSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField()
    name = serializers.CharField()
    what = serializers.ChoiceField(choices=WHATS)
    why = serializers.CharField()
    fields_changed = ChangedFieldSerializer(many=True, source="fields")


class FindingSerializer(serializers.Serializer[Any]):
    level = serializers.ChoiceField(choices=["block", "warn", "pass"])
    code = serializers.CharField()
    message = serializers.CharField()
    remedy = serializers.CharField()


class RestartSerializer(serializers.Serializer[Any]):
    replaced = serializers.IntegerField()
    made = serializers.IntegerField()
    surge = serializers.IntegerField()
    unavailable = serializers.IntegerField()
    because = serializers.ListField(child=serializers.CharField())


class UseSerializer(serializers.Serializer[Any]):
    resource = serializers.CharField()
    now = serializers.FloatField()
    peak = serializers.FloatField()
    after = serializers.FloatField()
    hard = serializers.FloatField()


class PreviewSerializer(serializers.Serializer[Any]):
    blocked = serializers.BooleanField()
    objects = ChangedObjectSerializer(many=True)
    restart = RestartSerializer()
    findings = FindingSerializer(many=True)
    quota = UseSerializer(many=True)


class InPlace(InTenant):
    """Addresses below …/in/{environment}."""

    right = "app.view"
    filter_backends = ()
    queryset: QuerySet[Any] = Workload.objects.none()

    def rows(self) -> QuerySet[Any]:
        return Workload.objects.select_related(
            "app", "tenant", "environment__cluster", "release", "good_release"
        )

    def get_object(self) -> Workload:
        """The application there; 404 before its first deployment."""
        names = {"app__name": self.kwargs["app"], "environment__name": self.kwargs["environment"]}
        found: Workload = get_object_or_404(self.rows(), tenant=self.tenant, **names)
        return found

    def to_change(self) -> Workload:
        """The same, for whoever may deploy there."""
        found = self.get_object()
        permissions.check(self.request.user, right_to_change(found.environment), found)
        return found

    def place(self, right: str = "") -> tuple[App, Environment]:
        """Both, also before the first deployment, for whoever has the right, or may deploy there."""
        owner = self.tenant
        app = get_object_or_404(App.objects.select_related("tenant"), tenant=owner, name=self.kwargs["app"])
        rows = Environment.objects.select_related("tenant", "cluster")
        where = get_object_or_404(rows, tenant=owner, name=self.kwargs["environment"])
        permissions.check(self.request.user, right or right_to_change(where), where)
        return app, where

    def chosen(
        self,
        app: App,
        environment: Environment,
        serializer: type[NewDeploymentSerializer] = NewDeploymentSerializer,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was sent as a deployment, for the services; and all that was sent."""
        given = self.valid(serializer=serializer)
        self.places = {name: f"/strategy/{name}" for name in ("type", "surge", "unavailable", "timeout")}
        self.places |= {name: f"/{name}" for name in ("replicas", "config_revision")}
        chosen = {
            "app": app,
            "environment": environment,
            "release": get_object_or_404(app.releases, version=given["version"]),
            "replicas": given["replicas"],
            "config_revision": given["config_revision"],
            "strategy": strategy_of(given["strategy"]),
        }
        return chosen, given


class WorkloadViewSet(InPlace):
    """An application in an environment."""

    rights = {"destroy": "app.remove"}
    serializer_class = WorkloadSerializer
    pagination_class = None

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.answer(self.get_object())

    @extend_schema(
        request=WorkloadChangeSerializer,
        responses={
            200: OpenApiResponse(WorkloadSerializer, description="It is so already"),
            202: DetailedOperationSerializer,
        },
    )
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Scale it, or stop and start it."""
        found = self.to_change()
        given = self.valid(serializer=WorkloadChangeSerializer)
        spec, told = given["spec"], {"workload": found, "by": request.user, "note": given["note"]}
        if len(spec) > 1:
            raise serializers.ValidationError({"spec": [gettext("Change one thing at a time.")]})
        if spec.get("replicas", found.replicas) != found.replicas:
            return _accepted(deployments.scale_workload(replicas=spec["replicas"], **told))
        if spec.get("stopped", found.stopped) != found.stopped:
            service = deployments.stop_workload if spec["stopped"] else deployments.start_workload
            return _accepted(service(**told))
        return self.answer(found)

    @extend_schema(parameters=[BinQuery], responses={202: DetailedOperationSerializer})
    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """To the bin, for seven days: pods go, volumes and history stay."""
        found = self.get_object()
        query = BinQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        self.places = {"name": "/confirm_name"}
        name = query.validated_data["confirm_name"]
        return _accepted(bins.remove_workload(workload=found, by=request.user, confirm_name=name))

    @extend_schema(request=ActionSerializer, responses={202: DetailedOperationSerializer})
    def act(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Restart every pod, undo the newest change, stop or start."""
        found = self.to_change()
        given = self.valid(serializer=ActionSerializer)
        return _accepted(ACTIONS[given["action"]](workload=found, by=request.user, note=given["note"]))

    @extend_schema(parameters=[PodsQuery], responses=PodsSerializer)
    def pods(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Its pods, the unwell first, 200 on each page."""
        query = PodsQuery(data=request.query_params.dict())
        found = self.get_object()
        query.is_valid(raise_exception=True)
        chosen = dict(query.validated_data)
        first = (chosen.pop("page") - 1) * PODS_A_PAGE
        seen = pods_seen(found, Wanted(**chosen))
        pods = seen.rows[first : first + PODS_A_PAGE]
        return Response(PodsSerializer({"total": seen.total, "count": len(seen.rows), "pods": pods}).data)

    @extend_schema(request=NewDeploymentSerializer, responses=PreviewSerializer)
    def preview(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """What a deployment would do, asked of the cluster; nothing is changed."""
        chosen, _given = self.chosen(*self.place("deployment.run"))
        return Response(PreviewSerializer(_shown(previewing.preview(**chosen))).data)


class DeploymentViewSet(InPlace):
    """What was done to a workload, newest first."""

    serializer_class = DeploymentSerializer
    lookup_field = "number"
    queryset = Deployment.objects.none()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.page(deployments_of(self.get_object()))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        rows = deployments_of(self.get_object())
        return self.answer(get_object_or_404(rows, number=self.kwargs["number"]))

    @extend_schema(request=NewDeploymentSerializer, responses={202: DetailedOperationSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Deploy a release. When it does not become available in time, the last good one comes back."""
        chosen, given = self.chosen(*self.place())
        return _accepted(deployments.deploy_release(by=request.user, note=given["note"], **chosen))


def _accepted(made: Deployment) -> Response:
    return accepted(Operation.objects.get(pk=made.operation_id or 0))


def _shown(found: Preview) -> dict[str, Any]:
    findings = [
        {
            "level": each.level,
            "code": each.problem.code,
            "message": each.problem.message_in(gettext),
            "remedy": each.problem.remedy_in(gettext),
        }
        for each in found.findings
    ]
    return {
        "blocked": found.blocked,
        "objects": found.objects,
        "restart": found.restart,
        "findings": findings,
        "quota": found.uses,
    }
