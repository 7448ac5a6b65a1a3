"""Every address of the portal, by area."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("clusters.urls")),
    path("", include("kcloud_site.operations.urls")),
]
