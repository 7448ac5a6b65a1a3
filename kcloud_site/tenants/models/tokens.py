"""API tokens: a person's key for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from kcloud_site.tenants.models.tenants import Tenant
from kcloud_site.tenants.roles import ROLES, PlatformOperator

if TYPE_CHECKING:

    class AbstractAuthToken(models.Model):
        """What knox brings, for the type checker: it has no stubs."""

        objects: ClassVar[Any]
        user = models.ForeignKey(
            settings.AUTH_USER_MODEL, related_name="auth_token_set", on_delete=models.CASCADE
        )
        created = models.DateTimeField(auto_now_add=True)
        expiry = models.DateTimeField(null=True)

        class Meta:
            abstract = True

else:
    from knox.models import AbstractAuthToken


class ApiToken(AbstractAuthToken):
    """A token acts for its person, in one tenant or in all of theirs, with at most the rights of a role.

    Knox keeps the hash alone; the secret is shown when it is made and never again.
    """

    # Knox makes the hash the key of the row; an id can be named in addresses and audit events.
    id = models.BigAutoField(primary_key=True)
    digest = models.CharField(max_length=128, unique=True)
    name = models.CharField(_("name"), max_length=60)
    tenant = models.ForeignKey(
        Tenant, null=True, blank=True, on_delete=models.PROTECT, related_name="api_tokens"
    )
    role = models.CharField(
        _("role"),
        max_length=20,
        choices=[(role.key, role.title) for role in ROLES.values()],
        default=PlatformOperator.key,
    )
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="token_name_once")]

    def __str__(self) -> str:
        return self.name

    def has_expired(self, now: Any) -> bool:
        return self.expiry is not None and self.expiry <= now
