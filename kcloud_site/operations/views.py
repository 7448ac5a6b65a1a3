"""Pages of operations and the audit trail."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from kcloud_site.tenants.permissions import operator_required


@operator_required
def operation_list(request: HttpRequest) -> HttpResponse:
    return render(request, "operations/list.html")


detail = panel = log = cancel = resume = audit = operation_list
