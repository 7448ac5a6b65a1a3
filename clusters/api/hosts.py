"""/hosts: enrolled over SSH, looked at again, forgotten."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from clusters.adapters import ssh
from clusters.models import Credential, Host, Region
from clusters.services import host_facts, hosts
from kcloud_site.operations.api.operations import DetailedOperationSerializer, accepted
from kcloud_site.rest.serializers import Reason, Strict
from kcloud_site.rest.views import ReadableViewSet
from kcloud_site.tenants.permissions import PlatformRight


class HostAccessSerializer(Strict):
    region = serializers.SlugRelatedField(slug_field="name", queryset=Region.objects.all())
    credential = serializers.SlugRelatedField(
        slug_field="name", queryset=Credential.objects.defer("sealed_secret")
    )


class HostSpecSerializer(HostAccessSerializer):
    address = serializers.IPAddressField(protocol="IPv4")
    ssh_port = serializers.IntegerField(required=False, default=22, min_value=1, max_value=65535)
    expected_host_key = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        write_only=True,
        max_length=2000,
        help_text="Fingerprint or public key the host must show.",
    )


class HostStatusSerializer(serializers.Serializer[Host]):
    state = serializers.ChoiceField(choices=Host.State.choices)
    reason = serializers.CharField(source="state_reason")
    cluster = serializers.CharField(source="cluster.name", default=None, allow_null=True)
    host_key = serializers.SerializerMethodField()
    facts: Any = serializers.JSONField()
    facts_at = serializers.DateTimeField(allow_null=True)

    def get_host_key(self, host: Host) -> str:
        """The fingerprint of the recorded key."""
        return str(ssh.fingerprint(host.host_key))


class HostSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=63)
    created_at = serializers.DateTimeField(read_only=True)
    spec = HostSpecSerializer(source="*")
    status = HostStatusSerializer(source="*", read_only=True)


class HostChangeSerializer(Strict):
    spec = HostAccessSerializer(source="*")


class HostKeySerializer(Strict):
    fingerprint = serializers.CharField(max_length=100, help_text="As compared on the host itself.")


class HostFilter(django_filters.FilterSet):
    region = django_filters.CharFilter(field_name="region__name", max_length=40)
    cluster = django_filters.CharFilter(field_name="cluster__name", max_length=40)
    state = django_filters.ChoiceFilter(choices=Host.State.choices)
    spare = django_filters.BooleanFilter(field_name="cluster", lookup_expr="isnull")


class HostViewSet(ReadableViewSet):
    """Machines reachable over SSH."""

    permission_classes = [PlatformRight]
    serializer_class = HostSerializer
    filterset_class = HostFilter
    lookup_field = "name"
    versioned = True

    def get_queryset(self) -> QuerySet[Host]:
        rows = Host.objects.select_related("region", "credential", "cluster")
        return rows.defer("credential__sealed_secret").order_by("name")

    @extend_schema(responses={201: HostSerializer})
    def create(self, request: Request) -> Response:
        """Enrol a machine: it is reached, signed in to and read before anything is saved."""
        made = hosts.enrol_host(**self.valid(), by=request.user)
        return self.answer(made, status=201, location=f"/api/v1/hosts/{made.name}")

    @extend_schema(request=HostChangeSerializer)
    def partial_update(self, request: Request, name: str = "") -> Response:
        """Give the host another region or credential."""
        with self.changing() as host:
            chosen = self.valid(partial=True, serializer=HostChangeSerializer)
            hosts.revise_host(
                host=host,
                region=chosen.get("region", host.region),
                credential=chosen.get("credential", host.credential),
                by=request.user,
            )
        return self.answer(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, name: str = "") -> Response:
        """Forget a spare host. Nothing on the machine changes."""
        with self.changing() as host:
            hosts.delete_host(host=host, by=request.user)
        return Response(status=204)

    @extend_schema(request=Reason, responses={202: DetailedOperationSerializer})
    @action(detail=True, methods=["post"])
    def facts(self, request: Request, name: str = "") -> Response:
        """Have a worker look at the host again."""
        host = self.get_object()
        reason = self.valid(serializer=Reason)["reason"]
        return accepted(host_facts.start_gathering(host=host, by=request.user, reason=reason))

    @extend_schema(request=HostKeySerializer)
    @action(detail=True, methods=["put"], url_path="host-key")
    def host_key(self, request: Request, name: str = "") -> Response:
        """Trust the key the host shows now, if it is the one with this fingerprint."""
        host = self.get_object()
        chosen = self.valid(serializer=HostKeySerializer)
        hosts.accept_new_host_key(host=host, fingerprint=chosen["fingerprint"], by=request.user)
        return self.answer(self.get_object())
