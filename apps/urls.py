"""Addresses of applications, and of what runs of them in each environment."""

from django.urls import URLPattern, path

from apps.views import health

app_name = "apps"

WORKLOAD = "tenants/<slug:tenant>/apps/<slug:app>/in/<slug:environment>/"

urlpatterns: list[URLPattern] = [
    path(f"{WORKLOAD}health/", health.health, name="health"),
    path(f"{WORKLOAD}health/panel/", health.panel, name="health_panel"),
]
