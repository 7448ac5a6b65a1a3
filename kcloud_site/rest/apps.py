from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RestConfig(AppConfig):
    name = "kcloud_site.rest"
    label = "rest"
    verbose_name = _("API")

    def ready(self) -> None:
        # How tokens are described in the OpenAPI document.
        from kcloud_site.rest import schema  # noqa: F401
