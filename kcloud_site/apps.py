from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.contrib.staticfiles.apps import StaticFilesConfig


class SiteConfig(AppConfig):
    name = "kcloud_site"
    verbose_name = "KCloud"


class ServedFilesConfig(StaticFilesConfig):
    """What is collected is what we serve: no browsable API, no source maps. Packing them took most of a start."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "rest_framework",
        # Of the API's documentation only Swagger UI is shown.
        "redoc",
        "oauth2-redirect.*",
        "*.map",
        "*.scss",
        "*.txt",
        "*.md",
    ]


class PlatformAdminConfig(AdminConfig):
    """Django's admin with our own site: lists of ours alone, nothing edited past the services."""

    default_site = "kcloud_site.tenants.admin_site.PlatformAdmin"
