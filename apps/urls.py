"""Addresses of applications, and of what runs of them in each environment."""

from django.urls import URLPattern, path

from apps.views import applications, health, images, imports, releases, workloads

app_name = "apps"

TENANT = "tenants/<slug:tenant>/apps/"
APP = f"{TENANT}<slug:app>/"
WORKLOAD = f"{APP}in/<slug:environment>/"

urlpatterns: list[URLPattern] = [
    path("apps/", applications.everywhere, name="all"),
    # The words "new", "import", "bin", "images" are no names of applications (services.apps).
    path(TENANT, applications.app_list, name="list"),
    path(f"{TENANT}new/", applications.create, name="create"),
    path(f"{TENANT}import/", imports.import_apps, name="import"),
    path(f"{TENANT}images/", images.image_list, name="images"),
    path(f"{TENANT}images/<path:repository>/remove/<str:digest>/", images.remove, name="image_remove"),
    path(f"{TENANT}images/<path:repository>/", images.repository, name="image"),
    path(APP, applications.detail, name="detail"),
    path(f"{APP}edit/", applications.edit, name="edit"),
    path(f"{APP}remove/", applications.remove, name="remove"),
    path(f"{APP}releases/", releases.release_list, name="releases"),
    path(f"{APP}releases/new/", releases.publish, name="publish"),
    path(f"{APP}releases/<int:number>/", releases.release, name="release"),
    path(WORKLOAD, workloads.workload, name="workload"),
    path(f"{WORKLOAD}health/", health.health, name="health"),
    path(f"{WORKLOAD}health/panel/", health.panel, name="health_panel"),
]
