"""Pages that show environments: lists of a tenant, of a cluster and of everything one may see, and one environment."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from clusters.forms.environments import EnvironmentFilter
from clusters.models import Cluster, Environment
from clusters.selectors import environments as reading
from kcloud_site.operations.models import State
from kcloud_site.tenants import permissions
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.views.answers import tabs

ROWS_A_PAGE, ROWS_OF_A_PANEL = 25, 8


@require_safe
@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    """All the person may see, worst first."""
    permissions.check_anywhere(request.user, "environment.view")
    return _list(request, {})


@require_safe
@login_required
def by_namespace(request: HttpRequest, name: str) -> HttpResponse:
    """From the name operations and audit events have for it to its page, or to those on several clusters."""
    found = list(reading.environments_for(request.user).filter(namespace=name)[:2])
    if not found:
        raise Http404
    if len(found) == 1:
        return redirect("clusters:environment", found[0].tenant.name, found[0].name)
    return redirect(f"{reverse('clusters:all_environments')}?{urlencode({'q': name})}")


@require_safe
@login_required
def of_tenant(request: HttpRequest, tenant: str) -> HttpResponse:
    found = tenant_of(request, tenant, "environment.view")
    may_create = permissions.may(request.user, "platform.operate", found)
    return _list(request, {**tabs(request, found, "environments"), "may_create": may_create})


@require_safe
@login_required
def of_cluster(request: HttpRequest, name: str) -> HttpResponse:
    permissions.check(request.user, "platform.view")
    return _list(request, {"cluster": get_object_or_404(Cluster, name=name)})


@require_safe
@login_required
def panel(request: HttpRequest, tenant: str) -> HttpResponse:
    """A card with the tenant's environments, for its home."""
    found = tenant_of(request, tenant, "environment.view")
    rows = reading.environments_for(request.user, tenant=found)
    context = {"tenant": found, "rows": rows[:ROWS_OF_A_PANEL], "total": rows.count()}
    return render(request, "clusters/environments_panel.html", context)


@require_safe
@login_required
def environment(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    """One environment: state, why, what now; share and use; objects; what was done."""
    found = one(request, tenant, name, "environment.view")
    context = frame(request, found)
    context |= {"uses": reading.uses(found), "objects": reading.object_rows(found)}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "clusters/environment.html#live", {**context, "swapped": True})
    return render(request, "clusters/environment.html", context)


def tenant_of(request: HttpRequest, name: str, right: str) -> Tenant:
    """The tenant, for whoever has the right in it; to outsiders it is not there."""
    found = get_object_or_404(Tenant, name=name)
    permissions.check(request.user, right, found)
    return found


def one(request: HttpRequest, tenant: str, name: str, right: str) -> Environment:
    """The environment, for whoever has the right on it; to outsiders it is not there."""
    rows = Environment.objects.select_related("tenant", "cluster").defer("sealed_token")
    found = get_object_or_404(rows, tenant__name=tenant, name=name)
    permissions.check(request.user, right, found)
    return found


def frame(request: HttpRequest, found: Environment) -> dict[str, Any]:
    """What every page of an environment needs: head, band, and what the person may do."""
    operations = reading.recent_operations(found)
    newest = operations[0] if operations else None
    user = request.user
    return {
        "environment": found,
        "tenant": found.tenant,
        "situation": reading.situation(found, operations),
        "operations": operations,
        "active": newest if newest and newest.is_active else None,
        "resumable": newest if newest and newest.state in (State.FAILED, State.CANCELLED) else None,
        "may_control": permissions.may(user, "operation.control", found),
        "may_resize": permissions.may(user, "environment.resize", found),
        "may_freeze": permissions.may(user, "environment.freeze", found),
        "may_remove": permissions.may(user, "environment.remove", found),
        "can_change": found.ready_at is not None and found.state != Environment.State.REMOVING,
        "may_see_cluster": permissions.may(user, "platform.view"),
    }


def _list(request: HttpRequest, scope: dict[str, Any]) -> HttpResponse:
    form = EnvironmentFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    wanted = reading.Filter(chosen.get("q", ""), chosen.get("stage", ""), chosen.get("state", ""))
    place = {"tenant": scope.get("tenant"), "cluster": scope.get("cluster")}
    rows = reading.environments_for(request.user, **place, wanted=wanted)
    page = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        **scope,
        "form": form,
        "page": page,
        "rows": [(row, reading.uses(row), reading.why(row)) for row in page],
        "is_filtered": any(chosen.values()),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "clusters/environments.html#rows", context)
    context["counts"] = reading.counts(reading.environments_for(request.user, **place))
    return render(request, "clusters/environments.html", context)
