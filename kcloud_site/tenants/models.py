"""Who uses the portal. Issue by issue this grows into tenants, memberships and quotas; today it is the person."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person. `is_staff` marks the platform operator: whoever may plan, deploy and reset clusters."""

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
    # Set with a one-time password: nothing but choosing a new one is open until that is done.
    must_change_password = models.BooleanField(_("must change the password"), default=False)

    @property
    def is_operator(self) -> bool:
        return self.is_active and self.is_staff

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
