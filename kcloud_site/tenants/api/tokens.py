"""/me and /tokens: who is asking, and the person's own API tokens."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.rest.serializers import Strict
from kcloud_site.rest.views import ApiViewSet, ReadableViewSet
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import ApiToken, Tenant, User
from kcloud_site.tenants.roles import ROLES
from kcloud_site.tenants.services import tokens

ROLE_CHOICES = [(role.key, role.title) for role in ROLES.values()]


class TokenSpecSerializer(Strict):
    tenant = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Tenant.objects.none(),
        required=False,
        allow_null=True,
        default=None,
        help_text="Null: all tenants of the person.",
    )
    role = serializers.ChoiceField(choices=ROLE_CHOICES, help_text="The most the token may do.")
    expires_at = serializers.DateTimeField(
        source="expiry",
        required=False,
        help_text="In 30 days when left out, in 366 at most; no later than the token in use.",
    )

    def get_fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = super().get_fields()
        request = self.context.get("request")
        if request is not None and request.user.is_authenticated:
            # To name a foreign tenant is to name none.
            fields["tenant"].queryset = permissions.tenants_of(request.user)
        return fields


class TokenStatusSerializer(serializers.Serializer[ApiToken]):
    last_used_at = serializers.DateTimeField(allow_null=True)
    expired = serializers.SerializerMethodField()

    def get_expired(self, token: ApiToken) -> bool:
        return token.has_expired(timezone.now())


class TokenSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(max_length=60)
    created_at = serializers.DateTimeField(source="created", read_only=True)
    spec = TokenSpecSerializer(source="*")
    status = TokenStatusSerializer(source="*", read_only=True)


class NewTokenSerializer(TokenSerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown in this answer and never again.")


class TokenViewSet(ReadableViewSet):
    """API tokens of one's own. Through a token: those that can do no more than it."""

    serializer_class = TokenSerializer
    lookup_value_regex = "[0-9]{1,18}"
    secret_fields = ("secret",)

    def get_queryset(self) -> QuerySet[ApiToken]:
        if getattr(self, "swagger_fake_view", False):
            return ApiToken.objects.none()
        permissions.check_anywhere(self.request.user, "token.create")
        mine = ApiToken.objects.filter(user=self.request.user).select_related("tenant", "user")
        scope = getattr(self.request.user, "scope", None)
        if scope is None:
            return mine
        lower = [key for key in ROLES if scope.contains(scope.tenant_id, key)]
        inside = Q() if scope.tenant_id is None else Q(tenant_id=scope.tenant_id)
        return mine.filter(inside, role__in=lower)

    @extend_schema(request=TokenSerializer, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        """Make a token. Its secret is in this answer and nowhere else."""
        permissions.check_anywhere(request.user, "token.create")
        chosen, person = self.valid(), cast(User, request.user)
        made, secret = tokens.create_token(
            user=person,
            name=chosen["name"],
            tenant=chosen["tenant"],
            role=chosen["role"],
            expires_at=chosen.get("expiry") or _usual_end(person),
            by=person,
        )
        return self.answer(made, status=201, location=f"/api/v1/tokens/{made.pk}", secret=secret)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: str = "") -> Response:
        """Revoke a token: it opens nothing from now on."""
        tokens.revoke_token(token=self.get_object(), by=request.user)
        return Response(status=204)


def _usual_end(person: User) -> datetime:
    """In 30 days; through a token no later than it ends itself."""
    end = timezone.now() + timedelta(days=30)
    return min(end, person.scope.expires_at or end) if person.scope else end


class MembershipOfMineSerializer(serializers.Serializer[Any]):
    tenant = serializers.CharField()
    role = serializers.CharField()


class MeSerializer(serializers.Serializer[Any]):
    username = serializers.CharField()
    display_name = serializers.CharField()
    platform_role = serializers.CharField(allow_null=True)
    token = serializers.CharField(allow_null=True, help_text="The name of the token that is used.")
    tenants = MembershipOfMineSerializer(many=True)


class MeViewSet(ApiViewSet):
    """Who is asking."""

    serializer_class = MeSerializer
    pagination_class = None

    @extend_schema(responses=forced_singular_serializer(MeSerializer), operation_id="me", filters=False)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The person, the token that is used, and the tenants they can act in."""
        user: Any = request.user
        role = permissions.platform_role(user)
        found = [
            {"tenant": tenant.name, "role": held.key}
            for tenant in permissions.tenants_of(user)
            if (held := permissions.role_in(user, tenant.pk)) is not None
        ]
        me = {
            "username": user.get_username(),
            "display_name": user.display_name,
            "platform_role": role.key if role else None,
            "token": user.acting_through or None,
            "tenants": found,
        }
        return Response(MeSerializer(me).data)


class RoleSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    title = serializers.CharField()
    summary = serializers.CharField()
    permissions = serializers.SerializerMethodField()

    def get_permissions(self, role: Any) -> list[str]:
        return sorted(role.permissions)


class RoleViewSet(ApiViewSet):
    """Roles and what each may do."""

    serializer_class = RoleSerializer
    pagination_class = None

    @extend_schema(responses=RoleSerializer(many=True), filters=False)
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every role with its rights: those of a tenant, then those of the platform."""
        return Response(RoleSerializer(list(ROLES.values()), many=True).data)
