"""/webhooks: who is told what, and what became of each message."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.rest.pages import NewestFirst
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import TenantThings
from kcloud_site.tenants.models import Tenant
from kcloud_site.webhooks.models import Delivery, Webhook
from kcloud_site.webhooks.services import webhooks as services


class WebhookSpecSerializer(Strict):
    url = serializers.CharField(max_length=500)
    events = serializers.ListField(
        child=serializers.CharField(max_length=60, allow_blank=True),
        min_length=1,
        max_length=50,
        help_text="Beginnings of actions of the audit trail, and operation.finished.",
    )
    enabled = serializers.BooleanField(required=False, default=True)


class WebhookSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=60)
    tenant = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Tenant.objects.none(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Null: the whole platform, for platform operators.",
    )
    created_at = serializers.DateTimeField(read_only=True)
    spec = WebhookSpecSerializer(source="*")

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        request = self.context.get("request")
        if request is not None and request.user.is_authenticated:
            fields["tenant"].queryset = permissions.tenants_of(request.user)
        return fields


class NewWebhookSerializer(WebhookSerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown in this answer and never again.")


class WebhookChangeSerializer(Strict):
    spec = WebhookSpecSerializer(source="*")


class WebhookSecretSerializer(serializers.Serializer[Any]):
    secret = serializers.CharField()


class DeliverySerializer(serializers.Serializer[Delivery]):
    id = serializers.IntegerField()
    event = serializers.CharField()
    payload: Any = serializers.JSONField()
    state = serializers.ChoiceField(choices=Delivery.State.choices)
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True)
    status = serializers.IntegerField(allow_null=True)
    milliseconds = serializers.IntegerField(allow_null=True)
    answer = serializers.CharField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class WebhookFilter(django_filters.FilterSet):
    tenant = django_filters.CharFilter(field_name="tenant__name", max_length=30)


class WebhookViewSet(TenantThings):
    """Addresses that are told what happens."""

    right = "webhook.view"
    rights = {
        "create": "webhook.manage",
        "partial_update": "webhook.manage",
        "destroy": "webhook.manage",
        "secret": "webhook.manage",
        "redeliver": "webhook.manage",
        "test": "webhook.manage",
    }
    serializer_class = WebhookSerializer
    filterset_class = WebhookFilter
    lookup_value_regex = "[0-9]{1,18}"
    versioned = True
    secret_fields = ("secret",)
    queryset = Webhook.objects.none()

    def rows(self) -> QuerySet[Webhook]:
        return Webhook.objects.select_related("tenant").order_by("name", "id")

    @extend_schema(responses={201: NewWebhookSerializer})
    def create(self, request: Request) -> Response:
        """Have an address told. Its secret, with which messages are signed, is in this answer and nowhere else."""
        permissions.check_anywhere(request.user, "webhook.manage")
        chosen = self.valid()
        permissions.check(request.user, "webhook.manage", chosen["tenant"])
        chosen.pop("enabled", None)
        made, secret = services.create_webhook(**chosen, by=request.user)
        return self.answer(made, status=201, location=f"/api/v1/webhooks/{made.pk}", secret=secret)

    @extend_schema(request=WebhookChangeSerializer)
    def partial_update(self, request: Request, pk: str = "") -> Response:
        """Change where, what and whether it is told."""
        with self.changing() as hook:
            chosen = self.valid(partial=True, serializer=WebhookChangeSerializer)
            now = {"url": hook.url, "events": hook.events, "enabled": hook.enabled}
            services.revise_webhook(webhook=hook, **{**now, **chosen}, by=request.user)
        return self.answer(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str = "") -> Response:
        """Forget the webhook and its deliveries."""
        with self.changing() as hook:
            services.delete_webhook(webhook=hook, by=request.user)
        return Response(status=204)

    @extend_schema(request=None, responses=WebhookSecretSerializer)
    @action(detail=True, methods=["post"])
    def secret(self, request: Request, pk: str = "") -> Response:
        """A new secret, from the next message on."""
        hook = self.get_object()
        return Response({"secret": services.replace_secret(webhook=hook, by=request.user)})

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: str = "") -> Response:
        """Have it told once, to see whether the message arrives: event `webhook.test`."""
        sent = services.send_test(webhook=self.get_object(), by=request.user)
        return Response(DeliverySerializer(sent).data, status=202)

    @extend_schema(responses=DeliverySerializer(many=True), filters=False)
    @action(detail=True, pagination_class=NewestFirst)
    def deliveries(self, request: Request, pk: str = "") -> Response:
        """What was sent and what came back, newest first."""
        shown: Any = self.paginate_queryset(Delivery.objects.filter(webhook=self.get_object()))
        return self.get_paginated_response(DeliverySerializer(shown, many=True).data)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"], url_path=r"deliveries/(?P<delivery>[0-9]{1,18})/redeliver")
    def redeliver(self, request: Request, pk: str = "", delivery: str = "") -> Response:
        """Send a message again."""
        found = get_object_or_404(Delivery, pk=delivery, webhook=self.get_object())
        again = services.redeliver(delivery=found, by=request.user)
        return Response(DeliverySerializer(again).data, status=202)
