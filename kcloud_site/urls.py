"""Every address of the portal, by area."""

from django.contrib import admin
from django.urls import include, path

from kcloud_site import views

urlpatterns = [
    path("", views.overview, name="overview"),
    path("search/", views.search, name="search"),
    path("", include("kcloud_site.sign_in.urls")),
    path("", include("kcloud_site.tenants.urls")),
    path("", include("kcloud_site.webhooks.urls")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("kcloud_site.api")),
    path("", include("clusters.urls")),
    path("", include("apps.urls")),
    path("registry/", include("apps.registry_urls")),
    path("", include("kcloud_site.operations.urls")),
]

# Addresses of the API answer as the API does, also where no view of it is reached.
handler400 = "kcloud_site.problems.bad_request"
handler403 = "kcloud_site.problems.permission_denied"
handler404 = "kcloud_site.problems.not_found"
handler500 = "kcloud_site.problems.server_error"
