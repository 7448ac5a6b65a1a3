"""Tenants, who belongs to them, who was asked to, and exceptions, in the platform operators' admin."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.admin_site import Action, LookOnly, choice, column, names_of
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.models import ApiToken, Grant, Invitation, Membership, Tenant
from kcloud_site.tenants.models.tenants import ROLE_CHOICES
from kcloud_site.tenants.services import grants, invitations, members, tenants, tokens

_TENANT = column("tenant__name", _("Tenant"))
_BY_TENANT = choice("tenant", _("Tenant"), names_of(Tenant))
_BY_ROLE = choice("role", _("Role"), lambda: ROLE_CHOICES)


@admin.register(Tenant)
class TenantAdmin(LookOnly):
    title = _("Tenants")
    columns = (
        column("name", _("Name")),
        column("title", _("Title")),
        column("contact", _("Contact")),
        column("created_at", _("Created")),
        column("closed_at", _("Closed")),
    )
    facts = (column("description", _("Description")),)
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "title")
    acts = (
        Action(
            "close",
            _("Close"),
            lambda row, by, reason: tenants.close_tenant(tenant=row, by=by, reason=reason),
            _("Members are shut out; what runs goes on."),
            (TenantError,),
        ),
        Action(
            "reopen",
            _("Reopen"),
            lambda row, by, reason: tenants.reopen_tenant(tenant=row, by=by, reason=reason),
            refusals=(TenantError,),
        ),
    )


@admin.register(Membership)
class MembershipAdmin(LookOnly):
    title = _("Members")
    columns = (
        column("user__username", _("Member")),
        _TENANT,
        column("role", _("Role")),
        column("created_at", _("Joined")),
        column("added_by", _("Added by")),
    )
    list_filter = (_BY_ROLE, _BY_TENANT)
    list_select_related = ("tenant", "user")
    search_fields = ("user__username", "user__email", "tenant__name")
    acts = (
        Action(
            "remove",
            _("Remove from the tenant"),
            lambda row, by, reason: members.remove_member(member=row, by=by, reason=reason),
            _("Their exceptions in the tenant end too."),
            (TenantError,),
        ),
    )


@admin.register(Invitation)
class InvitationAdmin(LookOnly):
    title = _("Invitations")
    columns = (
        column("email", _("E-mail address")),
        _TENANT,
        column("role", _("Role")),
        column("invited_by", _("Invited by")),
        column("created_at", _("Created")),
        column("expires_at", _("Ends")),
        column("accepted_at", _("Accepted")),
        column("revoked_at", _("Taken back")),
    )
    list_filter = (_BY_ROLE, ("accepted_at", admin.EmptyFieldListFilter), _BY_TENANT)
    list_select_related = ("tenant",)
    search_fields = ("email", "tenant__name")
    acts = (
        Action(
            "revoke",
            _("Take back"),
            lambda row, by, _reason: invitations.revoke_invitation(invitation=row, by=by),
            _("The link in the mail opens nothing any more."),
            (TenantError,),
        ),
    )


@admin.register(Grant)
class GrantAdmin(LookOnly):
    title = _("Exceptions")
    columns = (
        column("user__username", _("Person")),
        column("permission", _("Right")),
        column("object_name", _("Object")),
        _TENANT,
        column("expires_at", _("Ends")),
        column("ended_at", _("Ended")),
        column("granted_by", _("Granted by")),
    )
    facts = (
        column("reason", _("Why")),
        column("created_at", _("Created")),
        column("ended_by", _("Ended by")),
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter), _BY_TENANT)
    list_select_related = ("tenant", "user")
    search_fields = ("user__username", "object_name", "permission")
    acts = (
        Action(
            "end",
            _("Take back"),
            lambda row, by, reason: grants.end_grant(grant=row, by=by, reason=reason),
            _("The person has the right by their role alone from then on."),
            (TenantError,),
        ),
    )


@admin.register(ApiToken)
class ApiTokenAdmin(LookOnly):
    """No secret is stored, and the hash of it is not shown."""

    title = _("API tokens")
    columns = (
        column("name", _("Name")),
        column("user__username", _("Person")),
        _TENANT,
        column("role", _("May do at most")),
        column("created", _("Created")),
        column("last_used_at", _("Last used")),
        column("expiry", _("Valid until")),
    )
    list_filter = (_BY_ROLE, _BY_TENANT)
    list_select_related = ("tenant", "user")
    search_fields = ("name", "user__username", "tenant__name")
    acts = (
        Action(
            "revoke",
            _("Revoke"),
            lambda row, by, reason: tokens.revoke_token(token=row, by=by, reason=reason),
        ),
    )
