from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AppsConfig(AppConfig):
    name = "apps"
    verbose_name = _("Applications")

    def ready(self) -> None:
        # Importing the jobs registers their operation kinds, importing the receivers connects them.
        from apps import jobs, receivers, sealed_columns  # noqa: F401

        sealed_columns.tell()
