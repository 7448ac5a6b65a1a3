from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "kcloud_site"
    verbose_name = "KCloud"
