"""Addresses of operations and the audit trail."""

from django.urls import path

from kcloud_site.operations import panels
from kcloud_site.operations.views import audit, operations

app_name = "operations"

urlpatterns = [
    path("operations/", operations.operation_list, name="list"),
    path("operations/<int:pk>/", operations.detail, name="detail"),
    path("operations/<int:pk>/panel/", operations.panel, name="panel"),
    path("operations/<int:pk>/log/", operations.log, name="log"),
    path("operations/<int:pk>/cancel/", operations.cancel, name="cancel"),
    path("operations/<int:pk>/resume/", operations.resume, name="resume"),
    path("operations/of/<slug:name>/panel/", panels.tenant_panel, name="tenant_panel"),
    path("audit/", audit.events, name="audit"),
    path("audit/check/", audit.check, name="audit_check"),
    path("audit/export/", audit.export, name="audit_export"),
    path("audit/about/<str:label>/<str:identity>/", audit.panel, name="audit_panel"),
]
