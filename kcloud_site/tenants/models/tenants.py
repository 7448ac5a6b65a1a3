"""A department of the enterprise as the portal knows it: the tenant, its members, and who was asked to join."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.roles import TENANT_ROLES

ROLE_CHOICES = [(role.key, role.title) for role in TENANT_ROLES]

# A part of namespace names: "<tenant>-<environment>" must stay a label of RFC 1123 with at most 63 characters.
NAME = RegexValidator(
    r"^[a-z]([-a-z0-9]{0,28}[a-z0-9])?\Z",
    _("Use 1 to 30 small letters, digits and hyphens; begin with a letter, end with a letter or digit."),
)


class Tenant(models.Model):  # type: ignore[django-manager-missing]  # of tokens: knox has no stubs
    """A department that serves itself: owns environments, quota and applications. Its name never changes."""

    name = models.CharField(_("name"), max_length=30, unique=True, validators=[NAME])
    title = models.CharField(_("title"), max_length=80)
    description = models.TextField(_("description"), blank=True, max_length=2000)
    contact = models.EmailField(_("contact"), blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Set when it was closed: members are shut out, nothing new can be made in it.
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.title or self.name

    @property
    def tenant_id(self) -> int:
        """A tenant is its own: rights and audit events ask every row whose it is."""
        return self.pk


class Membership(models.Model):
    """A person's place in a tenant: exactly one role."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    role = models.CharField(_("role"), max_length=10, choices=ROLE_CHOICES)
    created_at = models.DateTimeField(auto_now_add=True)
    added_by = models.CharField(max_length=150)

    class Meta:
        ordering = ["user__username"]
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="member_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class Invitation(models.Model):
    """A person asked by mail to join a tenant. The mail's address holds a token; only its hash is kept."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="invitations")
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=ROLE_CHOICES)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.CharField(max_length=150)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    # When the mail server took the mail with the present link; empty: the inviter was shown the link instead.
    mailed_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.CharField(max_length=150, blank=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                "tenant",
                Lower("email"),
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="one_open_invitation_per_address",
            )
        ]

    def __str__(self) -> str:
        return self.email
