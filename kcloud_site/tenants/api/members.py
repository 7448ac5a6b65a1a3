"""/tenants/{tenant}/members, /invitations, /grants: who belongs to a tenant, who was asked, exceptions."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from kcloud_site.rest.serializers import Strict
from kcloud_site.tenants import permissions
from kcloud_site.tenants.api.things import InTenant
from kcloud_site.tenants.models import Grant, Invitation, Membership, User
from kcloud_site.tenants.models.tenants import ROLE_CHOICES
from kcloud_site.tenants.roles import GRANTABLE
from kcloud_site.tenants.services import grants, invitations, members


class MemberSpecSerializer(Strict):
    role = serializers.ChoiceField(choices=ROLE_CHOICES)


class MemberStatusSerializer(serializers.Serializer[Membership]):
    display_name = serializers.CharField(source="user.display_name")
    added_by = serializers.CharField()


class MemberSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    user = serializers.SlugRelatedField(slug_field="username", queryset=User.objects.filter(is_active=True))
    created_at = serializers.DateTimeField(read_only=True)
    spec = MemberSpecSerializer(source="*")
    status = MemberStatusSerializer(source="*", read_only=True)


class MemberChangeSerializer(Strict):
    spec = MemberSpecSerializer(source="*")


class MemberViewSet(InTenant):
    """Members of a tenant, each with one role."""

    right = "tenant.view"
    rights = {
        "create": "member.manage",
        "partial_update": "member.manage",
        "destroy": "member.manage",
    }
    serializer_class = MemberSerializer
    lookup_value_regex = "[0-9]{1,18}"
    versioned = True
    places = {"user": "/user"}
    queryset = Membership.objects.none()

    def rows(self) -> QuerySet[Membership]:
        return Membership.objects.select_related("user", "tenant").order_by("user__username")

    @extend_schema(responses={201: MemberSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Put a person into the tenant at once. For platform operators; owners invite."""
        found = self.tenant
        permissions.check(request.user, "platform.operate")
        chosen = self.valid()
        made = members.add_member(tenant=found, user=chosen["user"], role=chosen["role"], by=request.user)
        return self.answer(made, status=201, location=f"/api/v1/tenants/{found.name}/members/{made.pk}")

    @extend_schema(request=MemberChangeSerializer)
    def partial_update(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Give a member another role."""
        with self.changing() as member:
            chosen = self.valid(serializer=MemberChangeSerializer)
            members.change_role(member=member, role=chosen["role"], by=request.user)
        return self.answer(self.get_object())

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Take a person out of the tenant."""
        with self.changing() as member:
            members.remove_member(member=member, by=request.user)
        return Response(status=204)


class InvitationSpecSerializer(Strict):
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=ROLE_CHOICES)


class InvitationStatusSerializer(serializers.Serializer[Invitation]):
    invited_by = serializers.CharField()
    expires_at = serializers.DateTimeField()
    mailed_at = serializers.DateTimeField(allow_null=True)
    accepted_at = serializers.DateTimeField(allow_null=True)
    accepted_by = serializers.CharField()
    revoked_at = serializers.DateTimeField(allow_null=True)


class InvitationSerializer(Strict):
    id = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)
    spec = InvitationSpecSerializer(source="*")
    status = InvitationStatusSerializer(source="*", read_only=True)


class SentInvitationSerializer(InvitationSerializer):
    link = serializers.CharField(read_only=True, allow_null=True, help_text="Shown once.")
    why_not_mailed = serializers.CharField(read_only=True)


class InvitationViewSet(InTenant):
    """People asked by mail to join a tenant."""

    right = "member.manage"
    serializer_class = InvitationSerializer
    lookup_value_regex = "[0-9]{1,18}"
    secret_fields = ("link",)
    queryset = Invitation.objects.none()

    def rows(self) -> QuerySet[Invitation]:
        return Invitation.objects.select_related("tenant").order_by("-id")

    def _address(self, token: str) -> str:
        return self.request.build_absolute_uri(reverse("tenants:accept", args=[token]))

    def _sent(self, sent: invitations.Sent, status: int) -> Response:
        return self.answer(sent.invitation, status=status, link=sent.link, why_not_mailed=sent.why_not_mailed)

    @extend_schema(responses={201: SentInvitationSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Invite somebody and mail the link."""
        found = self.tenant
        sent = invitations.invite_person(tenant=found, **self.valid(), by=request.user, address=self._address)
        return self._sent(sent, 201)

    @extend_schema(request=None, responses=SentInvitationSerializer)
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """A new link, good for another week; the old one opens nothing any more."""
        found = self.get_object()
        sent = invitations.resend_invitation(invitation=found, by=request.user, address=self._address)
        return self._sent(sent, 200)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Revoke the invitation: its link opens nothing any more."""
        invitations.revoke_invitation(invitation=self.get_object(), by=request.user)
        return Response(status=204)


class GrantSerializer(serializers.Serializer[Grant]):
    id = serializers.IntegerField()
    user = serializers.CharField(source="user.username")
    permission = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    object_name = serializers.CharField()
    reason = serializers.CharField()
    granted_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.CharField()


class NewGrantSerializer(Strict):
    user = serializers.CharField(max_length=150)
    permission = serializers.CharField(max_length=60)
    object_type = serializers.CharField(max_length=60)
    object_id = serializers.IntegerField(min_value=1, max_value=10**18 - 1)
    expires_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=500)


class GrantViewSet(InTenant):
    """Exceptions: one person, one right, one object, until a date."""

    right = "member.manage"
    serializer_class = GrantSerializer
    lookup_value_regex = "[0-9]{1,18}"
    places = {"right": "/permission", "thing": "/object_id", "user": "/user", "expires_at": "/expires_at"}
    queryset = Grant.objects.none()

    def rows(self) -> QuerySet[Grant]:
        return Grant.objects.select_related("user", "tenant").order_by("-id")

    @extend_schema(request=NewGrantSerializer, responses={201: GrantSerializer})
    def create(self, request: Request, tenant: str = "") -> Response:
        """Let a member use one right on one object of the tenant until a date."""
        found = self.tenant
        chosen: dict[str, Any] = self.valid(serializer=NewGrantSerializer)
        made = grants.grant_right(
            tenant=found,
            user=_member(found, chosen["user"]),
            right=chosen["permission"],
            thing=_thing(found, chosen["object_type"], chosen["object_id"]),
            expires_at=chosen["expires_at"],
            reason=chosen["reason"],
            by=request.user,
        )
        return self.answer(made, status=201, location=f"/api/v1/tenants/{found.name}/grants/{made.pk}")

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, tenant: str = "", pk: str = "") -> Response:
        """Take an exception back."""
        grants.end_grant(grant=self.get_object(), by=request.user)
        return Response(status=204)


def _member(tenant: Any, username: str) -> User:
    found = User.objects.filter(username=username, memberships__tenant=tenant).first()
    if found is None:
        raise serializers.ValidationError({"user": [_("The tenant has no member of this name.")]})
    return found


def _thing(tenant: Any, object_type: str, object_id: int) -> Any:
    """The object, if it is of the tenant: others are not there."""
    if object_type not in GRANTABLE:
        kinds = ", ".join(GRANTABLE)
        raise serializers.ValidationError(
            {"object_type": [_("Exceptions exist for: %(kinds)s.") % {"kinds": kinds}]}
        )
    found = apps.get_model(object_type)._default_manager.filter(pk=object_id, tenant=tenant).first()
    if found is None:
        raise serializers.ValidationError({"object_id": [_("The tenant has no such object.")]})
    return found
