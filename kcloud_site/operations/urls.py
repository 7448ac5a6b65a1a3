"""Addresses of operations and the audit trail."""

from django.urls import path

from kcloud_site.operations import views

app_name = "operations"

urlpatterns = [
    path("operations/", views.operation_list, name="list"),
    path("operations/<int:pk>/", views.detail, name="detail"),
    path("operations/<int:pk>/panel/", views.panel, name="panel"),
    path("operations/<int:pk>/log/", views.log, name="log"),
    path("operations/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("operations/<int:pk>/resume/", views.resume, name="resume"),
    path("audit/", views.audit, name="audit"),
]
