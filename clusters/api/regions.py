"""/regions, /credentials, /bundles: what hosts and clusters stand on."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.models import Bundle, Credential, Region
from clusters.selectors import hosts as reading
from clusters.services import credentials, regions
from kcloud_site.rest.serializers import Strict
from kcloud_site.rest.views import ReadableViewSet
from kcloud_site.tenants.permissions import PlatformRight


class RegionSpecSerializer(Strict):
    title = serializers.CharField(required=False, default="", allow_blank=True, max_length=100)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=2000)


class RegionStatusSerializer(serializers.Serializer[Region]):
    hosts = serializers.IntegerField(source="host_total")
    spare_hosts = serializers.IntegerField(source="spare_total")
    clusters = serializers.IntegerField(source="cluster_total")


class RegionSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=40)
    created_at = serializers.DateTimeField(read_only=True)
    spec = RegionSpecSerializer(source="*", required=False)
    status = RegionStatusSerializer(source="*", read_only=True)


class RegionChangeSerializer(Strict):
    spec = RegionSpecSerializer(source="*")


class RegionViewSet(ReadableViewSet):
    """Where machines stand."""

    permission_classes = [PlatformRight]
    serializer_class = RegionSerializer
    lookup_field = "name"
    versioned = True

    def get_queryset(self) -> QuerySet[Region]:
        return reading.region_list().order_by("name")

    @extend_schema(responses={201: RegionSerializer})
    def create(self, request: Request) -> Response:
        """A new region."""
        chosen = self.valid()
        made = regions.create_region(
            name=chosen["name"],
            title=chosen.get("title", ""),
            description=chosen.get("description", ""),
            by=request.user,
        )
        found = self.get_queryset().get(pk=made.pk)
        return self.answer(found, status=201, location=f"/api/v1/regions/{made.name}")

    @extend_schema(request=RegionChangeSerializer)
    def partial_update(self, request: Request, name: str = "") -> Response:
        """Change what people read of a region."""
        with self.changing() as region:
            chosen = self.valid(partial=True, serializer=RegionChangeSerializer)
            regions.describe_region(
                region=region,
                title=chosen.get("title", region.title),
                description=chosen.get("description", region.description),
                by=request.user,
            )
        return self.answer(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str = "") -> Response:
        """Remove a region in which nothing stands."""
        with self.changing() as region:
            regions.delete_region(region=region, by=request.user)
        return Response(status=204)


class CredentialSpecSerializer(Strict):
    username = serializers.CharField(max_length=32)
    kind = serializers.ChoiceField(choices=Credential.Kind.choices)
    secret = serializers.CharField(
        write_only=True,
        trim_whitespace=False,
        max_length=20_000,
        help_text="A private key or a password. It goes in and never comes out.",
    )


class CredentialStatusSerializer(serializers.Serializer[Credential]):
    fingerprint = serializers.CharField(help_text="Of the public key; empty for a password.")
    hosts = serializers.IntegerField(source="host_total")


class CredentialSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=60)
    created_at = serializers.DateTimeField(read_only=True)
    spec = CredentialSpecSerializer(source="*")
    status = CredentialStatusSerializer(source="*", read_only=True)


class CredentialSecretSerializer(Strict):
    kind = serializers.ChoiceField(choices=Credential.Kind.choices)
    secret = serializers.CharField(trim_whitespace=False, max_length=20_000)


class CredentialViewSet(ReadableViewSet):
    """How the portal signs in to hosts."""

    permission_classes = [PlatformRight]
    serializer_class = CredentialSerializer
    lookup_field = "name"

    def get_queryset(self) -> QuerySet[Credential]:
        return reading.credential_list().order_by("name")

    @extend_schema(responses={201: CredentialSerializer})
    def create(self, request: Request) -> Response:
        """A new credential."""
        made = credentials.create_credential(**self.valid(), by=request.user)
        found = self.get_queryset().get(pk=made.pk)
        return self.answer(found, status=201, location=f"/api/v1/credentials/{made.name}")

    @extend_schema(request=CredentialSecretSerializer, responses=CredentialSerializer)
    @action(detail=True, methods=["put"])
    def secret(self, request: Request, name: str = "") -> Response:
        """Give the credential another secret: hosts are signed in to with it from now on."""
        found = self.get_object()
        # This address takes the secret at the top of its body.
        self.places = {"kind": "/kind", "secret": "/secret"}
        chosen = self.valid(serializer=CredentialSecretSerializer)
        credentials.replace_secret(credential=found, **chosen, by=request.user)
        return self.answer(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str = "") -> Response:
        """Destroy a credential no host needs."""
        credentials.delete_credential(credential=self.get_object(), by=request.user)
        return Response(status=204)


class BundleStatusSerializer(serializers.Serializer[Bundle]):
    state = serializers.ChoiceField(choices=Bundle.State.choices)
    reason = serializers.CharField(source="state_reason")
    verified_at = serializers.DateTimeField()
    size = serializers.IntegerField()
    manifest_sha256 = serializers.CharField()
    components: Any = serializers.JSONField()


class BundleSerializer(serializers.Serializer[Bundle]):
    id = serializers.IntegerField()
    version = serializers.CharField()
    status = BundleStatusSerializer(source="*")


class BundleViewSet(ReadableViewSet):
    """Release bundles: one Kubernetes version with everything a node needs."""

    permission_classes = [PlatformRight]
    serializer_class = BundleSerializer
    lookup_field = "version"
    filterset_fields = ["state"]
    queryset = Bundle.objects.order_by("-version")
