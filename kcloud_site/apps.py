from django.apps import AppConfig
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
