"""Every address of the portal, by area."""

from django.contrib import admin
from django.urls import include, path

from kcloud_site import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("search/", views.search, name="search"),
    path("", include("kcloud_site.sign_in.urls")),
    path("", include("kcloud_site.tenants.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("kcloud_site.api")),
    path("", include("clusters.urls")),
    path("", include("kcloud_site.operations.urls")),
]
