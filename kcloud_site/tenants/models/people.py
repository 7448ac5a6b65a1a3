"""Who uses the portal: people, and the wrong passwords typed in their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from kcloud_site.tenants.scopes import Scope


class User(AbstractUser):  # type: ignore[django-manager-missing]  # of tokens: knox has no stubs
    """A person. `is_staff` marks the platform operator: whoever may plan, deploy and reset clusters; `is_auditor` one
    who may look at everything and change nothing. What a person may do in a tenant is a Membership.

    `scope` is set while the person acts through an API token: the token's name, and what it is narrowed to.
    """

    scope: Scope | None = None

    class Appearance(models.TextChoices):
        SYSTEM = "", _("As the system")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Density(models.TextChoices):
        ROOMY = "", _("Wide rows")
        COMPACT = "compact", _("Narrow rows")

    language = models.CharField(_("language"), max_length=10, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    appearance = models.CharField(_("appearance"), max_length=5, blank=True, choices=Appearance.choices)

    # "" is roomy rows, "compact" narrow ones.
    density = models.CharField(_("row height"), max_length=7, blank=True, choices=Density.choices)
    is_auditor = models.BooleanField(_("auditor"), default=False)
    # Set with a one-time password: nothing but choosing a new one is open until that is done.
    must_change_password = models.BooleanField(_("must change the password"), default=False)

    @property
    def is_operator(self) -> bool:
        return self.is_active and self.is_staff

    @property
    def acting_through(self) -> str:
        """The token's name while the person acts through one; else empty."""
        return self.scope.token if self.scope else ""

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.username


class FailedSignIn(models.Model):
    """One wrong password: for which name, from which address. Kept for minutes, to slow guessing down."""

    # A hash: people type passwords into the name field.
    name_hash = models.CharField(max_length=64)
    address = models.CharField(max_length=45)
    at = models.DateTimeField(db_index=True)

    class Meta:
        indexes = [models.Index(fields=["name_hash", "address", "at"], name="failed_sign_in_recent")]
