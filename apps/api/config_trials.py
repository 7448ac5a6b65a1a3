"""/tenants/{tenant}/apps/{app}/in/{environment}/configuration/revisions/{number}: publishing by stages."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.configurations import ConfigurationViewSet
from apps.errors import ConfigurationRefused
from apps.rollouts.stages import DEFAULT, DEFAULT_PATIENCE, DEFAULT_SECONDS
from apps.selectors.config_trials import trial_of
from apps.services import config_stages
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted


class WantedStageSerializer(serializers.Serializer[Any]):
    share = serializers.IntegerField(help_text="Percent of the pods.")
    seconds = serializers.IntegerField(help_text="For which they are watched once they are ready.")


class StageSerializer(serializers.Serializer[Any]):
    stages = WantedStageSerializer(
        many=True, required=False, help_text="Growing shares; all pods are the last. By default 5, 25, 100 %."
    )
    share = serializers.IntegerField(required=False, help_text="In place of stages: the only one before all.")
    seconds = serializers.IntegerField(required=False, default=DEFAULT_SECONDS)
    patience = serializers.IntegerField(
        required=False,
        default=DEFAULT_PATIENCE,
        help_text="Seconds within which the pods of a stage must be ready: 10 to 1800.",
    )
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class PlannedStageSerializer(serializers.Serializer[Any]):
    share = serializers.IntegerField(help_text="Percent.")
    pods = serializers.IntegerField()
    seconds = serializers.IntegerField()


class StageSeenSerializer(PlannedStageSerializer):
    number = serializers.IntegerField()
    state = serializers.CharField(help_text="done, now or next.")
    watched = serializers.IntegerField(help_text="Seconds that are over.")
    ready = serializers.BooleanField(help_text="Its pods were ready.")


class TrialSerializer(serializers.Serializer[Any]):
    stages = StageSeenSerializer(many=True)
    held = serializers.BooleanField(help_text="A person holds it at its stage.")
    patience = serializers.IntegerField()
    kind = serializers.CharField(
        help_text="Deployment: pods beside the others. StatefulSet: its highest ordinals."
    )
    operation = serializers.IntegerField()


class ProceedSerializer(serializers.Serializer[Any]):
    stage = serializers.IntegerField(min_value=1, help_text="Number of the stage that was seen.")


class ConfigTrialViewSet(ConfigurationViewSet):
    """A configuration revision on its way to all pods by stages."""

    right = "config.view"
    rights = dict.fromkeys(("stage", "plan", "hold", "proceed", "give_back"), "config.publish")
    places = {name: f"/{name}" for name in ("share", "seconds", "stages", "patience")}

    @extend_schema(request=StageSerializer, responses=PlannedStageSerializer(many=True))
    def plan(self, request: Request, **_place: Any) -> Response:
        """How many pods each stage would have now. Changes nothing."""
        row = self._revision()
        chosen = self.valid(serializer=StageSerializer)
        planned = config_stages.plan_of(revision=row, wanted=_wanted(chosen))
        return Response(PlannedStageSerializer(planned, many=True).data)

    @extend_schema(request=StageSerializer, responses={202: DetailedOperationSerializer})
    def stage(self, request: Request, **_place: Any) -> Response:
        """Growing shares of the pods get it, while they stay well; then all do, by themselves."""
        row = self._to_publish(request)
        chosen = self.valid(serializer=StageSerializer)
        return accepted(
            config_stages.stage(
                revision=row,
                by=request.user,
                wanted=_wanted(chosen),
                patience=chosen["patience"],
                note=chosen["note"],
            )
        )

    @extend_schema(responses=TrialSerializer)
    def trial(self, request: Request, **_place: Any) -> Response:
        """How far it is. 409 when it is not on trial."""
        row = self._revision()
        seen = trial_of(row)
        if seen is None:
            raise ConfigurationRefused(config_stages.not_on_trial(row))
        return Response(TrialSerializer(seen).data)

    @extend_schema(request=None, responses=TrialSerializer)
    def hold(self, request: Request, **place: Any) -> Response:
        """Stop at the stage it is at, for an hour at most. Its pods are watched on."""
        config_stages.hold(revision=self._to_publish(request), by=request.user)
        return self.trial(request, **place)

    @extend_schema(request=ProceedSerializer, responses=TrialSerializer)
    def proceed(self, request: Request, **place: Any) -> Response:
        """Go on to the next stage as soon as the pods of this one are ready."""
        row = self._to_publish(request)
        chosen = self.valid(serializer=ProceedSerializer)
        config_stages.proceed(revision=row, by=request.user, stage=chosen["stage"])
        return self.trial(request, **place)

    @extend_schema(request=None, responses={202: DetailedOperationSerializer})
    def give_back(self, request: Request, **_place: Any) -> Response:
        """Take it off all pods: it is what it was before the trial."""
        return accepted(config_stages.give_back(revision=self._to_publish(request), by=request.user))


def _wanted(chosen: dict[str, Any]) -> list[tuple[int, int]]:
    if chosen.get("stages"):
        return [(each["share"], each["seconds"]) for each in chosen["stages"]]
    if "share" in chosen:
        return [(chosen["share"], chosen["seconds"])]
    return list(DEFAULT)
