"""/tenants/{tenant}/registries: how a tenant signs in at registries that are not the platform's."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.models import RegistryCredential
from apps.services import registry_credentials as services
from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants.api.things import InTenant


class RegistrySpecSerializer(Strict):
    username = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=services.LONGEST_NAME
    )
    password = serializers.CharField(
        write_only=True,
        required=False,
        default="",
        allow_blank=True,
        trim_whitespace=False,
        max_length=services.LONGEST_PASSWORD,
        help_text="A password or token. It goes in and never comes out; empty keeps the one there is.",
    )
    authority = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=services.LONGEST_AUTHORITY,
        help_text="Certificates (PEM) the portal trusts there.",
    )


class RegistrySerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    host = serializers.CharField(max_length=260, help_text="As images name it: ghcr.io.")
    changed_at = serializers.DateTimeField(read_only=True)
    changed_by = serializers.CharField(read_only=True)
    spec = RegistrySpecSerializer(source="*")


class RegistryChangeSerializer(Strict):
    spec = RegistrySpecSerializer(source="*")


class RegistryViewSet(InTenant):
    """Credentials of other registries, by their host."""

    right = "image.view"
    rights = {"create": services.RIGHT, "update": services.RIGHT, "destroy": services.RIGHT}
    serializer_class = RegistrySerializer
    lookup_value_regex = r"[0-9]{1,18}"
    queryset = RegistryCredential.objects.none()
    filter_backends = ()
    places = {"host": "/host"}

    def rows(self) -> QuerySet[RegistryCredential]:
        return RegistryCredential.objects.select_related("tenant").order_by("host")

    @extend_schema(responses={201: RegistrySerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Keep how to sign in at a registry, whom to trust there, or both."""
        owner = self.tenant
        made = services.add_credential(tenant=owner, by=request.user, **self.valid())
        return self.answer(made, status=201, location=f"/api/v1/tenants/{owner.name}/registries/{made.pk}")

    @extend_schema(request=RegistryChangeSerializer)
    def update(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Another name, password or authority."""
        with self.changing() as found:
            given: dict[str, Any] = self.valid(serializer=RegistryChangeSerializer)
            changed = services.replace_credential(credential=found, by=request.user, **given)
        return self.answer(changed)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Forget it. What runs goes on."""
        with self.changing() as found:
            services.remove_credential(credential=found, by=request.user)
        return Response(status=204)
