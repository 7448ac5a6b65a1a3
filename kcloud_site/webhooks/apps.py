from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "kcloud_site.webhooks"
    label = "webhooks"
    verbose_name = _("Webhooks")

    def ready(self) -> None:
        from kcloud_site.tenants.sealed_columns import SealedColumn, know
        from kcloud_site.webhooks.services.webhooks import secret_identity

        know(SealedColumn("webhooks.Webhook", "sealed_secret", secret_identity))
