from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class SiteConfig(AppConfig):
    name = "kcloud_site"
    verbose_name = "KCloud"


class ServedFilesConfig(StaticFilesConfig):
    """What is collected is what we serve: no browsable API, no second documentation. Packing them took most of a start.

    Source maps stay: Swagger UI's files name theirs, and a name without a file stops the collecting."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "rest_framework",
        # Of the API's documentation only Swagger UI is shown.
        "redoc",
        "oauth2-redirect.*",
        "*.scss",
        "*.txt",
        "*.md",
    ]


class PlatformAdminConfig(AdminConfig):
    """Django's admin with our own site: lists of ours alone, nothing edited past the services."""

    default_site = "kcloud_site.tenants.admin_site.PlatformAdmin"
