"""Shapes that several addresses of applications share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from apps.models import Deployment
from apps.rollouts import strategy as strategies
from apps.rollouts.strategy import Strategy
from clusters.api.environments import TroubleField
from kcloud_site.rest.serializers import Strict


class StrategySerializer(Strict):
    """How the old pods give way."""

    type = serializers.ChoiceField(choices=strategies.TYPES, default=strategies.ROLLING)
    surge = serializers.CharField(max_length=5, default="25%")
    unavailable = serializers.CharField(max_length=5, default="0")
    timeout = serializers.IntegerField(
        min_value=strategies.LEAST_TIMEOUT,
        max_value=strategies.MOST_TIMEOUT,
        default=strategies.DEFAULT_TIMEOUT,
        help_text="Seconds; after them the last good release comes back by itself.",
    )
    automatic_return = serializers.BooleanField(default=True)


class DeploymentStatusSerializer(serializers.Serializer[Deployment]):
    state = serializers.ChoiceField(choices=Deployment.State.choices)
    reason = TroubleField()
    operation = serializers.IntegerField(source="operation_id", allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class DeploymentSpecSerializer(serializers.Serializer[Deployment]):
    action = serializers.ChoiceField(choices=Deployment.Action.choices)
    release = serializers.CharField(source="release.version", default=None, allow_null=True)
    config_revision = serializers.IntegerField(allow_null=True)
    replicas = serializers.IntegerField()
    strategy = serializers.DictField(child=serializers.JSONField())
    note = serializers.CharField()


class DeploymentSerializer(serializers.Serializer[Deployment]):
    number = serializers.IntegerField()
    requested_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    spec = DeploymentSpecSerializer(source="*")
    status = DeploymentStatusSerializer(source="*")


class NewDeploymentSerializer(Strict):
    """What to deploy; also what to preview."""

    version = serializers.CharField(max_length=64, help_text="Of a release of the application.")
    replicas = serializers.IntegerField(
        min_value=0, max_value=1000, required=False, allow_null=True, default=None
    )
    config_revision = serializers.IntegerField(
        min_value=1, max_value=2_000_000_000, required=False, allow_null=True, default=None
    )
    strategy = StrategySerializer(required=False, allow_null=True, default=None)
    note = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


def strategy_of(given: Mapping[str, Any] | None) -> Strategy | None:
    """The strategy sent, checked as forms check it. Raises ValueRefused."""
    return strategies.parse(given) if given is not None else None
