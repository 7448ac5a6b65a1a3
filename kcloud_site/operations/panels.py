"""Parts of other areas' pages that show operations."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from kcloud_site.operations import progress
from kcloud_site.operations.models import ACTIVE, Operation
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant

ROWS = 6


@require_safe
@login_required
def tenant_panel(request: HttpRequest, name: str) -> HttpResponse:
    """A tenant's operations: what is at work first, then the newest."""
    tenant = get_object_or_404(Tenant, name=name)
    permissions.check(request.user, "operation.view", tenant)
    at_work = Case(When(state__in=ACTIVE, then=Value(0)), default=Value(1), output_field=IntegerField())
    rows = list(Operation.objects.filter(tenant=tenant).defer("inputs").order_by(at_work, "-id")[:ROWS])
    for row in rows:
        row.title = progress.title_of(row.kind)  # type: ignore[attr-defined]
    return render(request, "operations/tenant_panel.html", {"tenant": tenant, "operations": rows})
