"""/tenants: departments that serve themselves. Operators make and close them, owners describe them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.rest.serializers import Reason, Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import TenantThings
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.models.tenants import NAME
from kcloud_site.tenants.services import tenants


class TenantSpecSerializer(Strict):
    title = serializers.CharField(max_length=80)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)
    contact = serializers.EmailField(required=False, default="", allow_blank=True)


class TenantStatusSerializer(serializers.Serializer[Tenant]):
    closed_at = serializers.DateTimeField(allow_null=True)
    members = serializers.IntegerField(source="member_total")


class TenantSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=30, validators=[NAME])
    created_at = serializers.DateTimeField(read_only=True)
    spec = TenantSpecSerializer(source="*")
    status = TenantStatusSerializer(source="*", read_only=True)


class TenantChangeSerializer(Strict):
    spec = TenantSpecSerializer(source="*")


class TenantViewSet(TenantThings):
    """Tenants one is in; for the platform's people, all."""

    right = "tenant.view"
    rights = {"partial_update": "tenant.edit"}
    serializer_class = TenantSerializer
    lookup_field = "name"
    versioned = True
    queryset = Tenant.objects.none()

    def rows(self) -> QuerySet[Any]:
        return Tenant.objects.annotate(member_total=Count("memberships")).order_by("name")

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.rows().none()
        permissions.check_anywhere(self.request.user, self.right)
        return self.rows().filter(pk__in=permissions.tenants_of(self.request.user).values("pk"))

    def _answer_anew(self, tenant: Tenant, **kwargs: Any) -> Response:
        return self.answer(self.rows().get(pk=tenant.pk), **kwargs)

    @extend_schema(responses={201: TenantSerializer})
    def create(self, request: Request) -> Response:
        """A tenant without members or quota. For platform operators."""
        permissions.check(request.user, "platform.operate")
        made = tenants.create_tenant(**self.valid(), by=request.user)
        return self._answer_anew(made, status=201, location=f"/api/v1/tenants/{made.name}")

    @extend_schema(request=TenantChangeSerializer)
    def partial_update(self, request: Request, name: str = "") -> Response:
        """Change what people read about the tenant."""
        with self.changing() as tenant:
            chosen = self.valid(partial=True, serializer=TenantChangeSerializer)
            now = {"title": tenant.title, "description": tenant.description, "contact": tenant.contact}
            tenants.describe_tenant(tenant=tenant, **{**now, **chosen}, by=request.user)
        return self._answer_anew(tenant)

    @extend_schema(request=Reason)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, name: str = "") -> Response:
        """Shut the members out; what runs goes on. For platform operators."""
        tenant = self._of_platform()
        reason = self.valid(serializer=Reason)["reason"]
        return self._answer_anew(tenants.close_tenant(tenant=tenant, by=request.user, reason=reason))

    @extend_schema(request=Reason)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, name: str = "") -> Response:
        """Let the members in again. For platform operators."""
        tenant = self._of_platform()
        reason = self.valid(serializer=Reason)["reason"]
        return self._answer_anew(tenants.reopen_tenant(tenant=tenant, by=request.user, reason=reason))

    def _of_platform(self) -> Any:
        found = self.get_object()
        permissions.check(self.request.user, "platform.operate")
        return found
