"""/audit-events: who changed what, newest first, by cursor."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from rest_framework import serializers

from kcloud_site.audit.models import AuditEvent
from kcloud_site.rest.pages import NewestFirst
from kcloud_site.tenants.api.things import TenantThings


class AuditEventSerializer(serializers.Serializer[AuditEvent]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor_kind = serializers.ChoiceField(choices=AuditEvent.ActorKind.choices)
    actor = serializers.CharField()
    via = serializers.CharField()
    action = serializers.CharField()
    tenant_id = serializers.IntegerField(allow_null=True)
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    object_name = serializers.CharField()
    before: Any = serializers.JSONField(allow_null=True)
    after: Any = serializers.JSONField(allow_null=True)
    reason = serializers.CharField()
    operation_id = serializers.IntegerField(allow_null=True)
    previous_hash = serializers.CharField()
    hash = serializers.CharField()


class AuditEventFilter(django_filters.FilterSet):
    actor = django_filters.CharFilter(max_length=150)
    action = django_filters.CharFilter(
        lookup_expr="startswith", max_length=60, label="Beginning of the action"
    )
    object_type = django_filters.CharFilter(max_length=60)
    object_id = django_filters.CharFilter(max_length=60)
    operation_id = django_filters.NumberFilter(min_value=0, max_value=10**18 - 1)
    since = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = django_filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")


class AuditEventViewSet(TenantThings):
    """The audit trail: events of the tenants in which one may read it."""

    right = "audit.view"
    serializer_class = AuditEventSerializer
    filterset_class = AuditEventFilter
    pagination_class = NewestFirst
    lookup_value_regex = "[0-9]{1,18}"
    queryset = AuditEvent.objects.none()

    def rows(self) -> QuerySet[AuditEvent]:
        return AuditEvent.objects.order_by("-id")
