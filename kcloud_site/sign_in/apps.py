from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SignInConfig(AppConfig):
    name = "kcloud_site.sign_in"
    label = "sign_in"
    verbose_name = _("Sign-in")

    def ready(self) -> None:
        from kcloud_site.sign_in import admin_door, checks, receivers  # noqa: F401 - checks register themselves

        receivers.connect()
        admin_door.close()
        self._tell_sealed_columns()

    def _tell_sealed_columns(self) -> None:
        from kcloud_site.sign_in.hooks import SecondFactorHooks
        from kcloud_site.tenants.sealed_columns import SealedColumn, know

        # The secret of an authenticator app, and what recovery codes grow from.
        for key in ("secret", "seed"):
            know(SealedColumn("mfa.Authenticator", "data", lambda _row: SecondFactorHooks.IDENTITY, key))
