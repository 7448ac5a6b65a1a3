"""The list of applications, an application's page, and the forms that register, change and remove one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.forms.applications import AppFilter, AppForm, NewAppForm
from apps.models import App
from apps.selectors import apps as reading
from apps.services import apps as services
from apps.views.frame import app_frame, opened_app
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.models import Environment
from clusters.views import answers
from kcloud_site.tenants import permissions
from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.models import Tenant
from kcloud_site.tenants.views.answers import opened

ROWS_A_PAGE = 50
change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@login_required
def app_list(request: HttpRequest, tenant: str) -> HttpResponse:
    """A tenant's applications, worst first."""
    return _list(request, opened(request, tenant, "app.view"))


@require_safe
@login_required
def everywhere(request: HttpRequest) -> HttpResponse:
    """All that the person may see."""
    permissions.check_anywhere(request.user, "app.view")
    return _list(request, None)


def _list(request: HttpRequest, tenant: Tenant | None) -> HttpResponse:
    form = AppFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    wanted = reading.Filter(chosen.get("q", ""), chosen.get("state", ""), chosen.get("criticality", ""))
    found = reading.apps_for(request.user, tenant=tenant, wanted=wanted)
    page = Paginator(found, ROWS_A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "tenant": tenant,
        "form": form,
        "page": page,
        "rows": reading.rows(page),
        "is_filtered": any(chosen.values()),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/list.html#rows", context)
    context["counts"] = reading.counts(reading.apps_for(request.user, tenant=tenant, wanted=reading.Filter()))
    context["may_edit"] = tenant is not None and permissions.may(request.user, "app.edit", tenant)
    return render(request, "apps/list.html", context)


@require_safe
@login_required
def detail(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """State now, where it runs, its releases, what changed, facts."""
    found = opened_app(request, tenant, app)
    workloads = reading.workloads_of(found)
    live = [each for each in workloads if each.binned_at is None]
    environments = Environment.objects.filter(tenant=found.tenant).exclude(
        pk__in=[each.environment_id for each in workloads]
    )
    context = {
        **app_frame(request, found, "overview"),
        "state": reading.worst(live),
        "workloads": workloads,
        "free_environments": environments.order_by("stage", "name"),
        "releases": found.releases.order_by("-number")[:5],
        "release_count": found.releases.count(),
        "is_moving": any(each.state == "updating" for each in workloads),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "apps/detail.html#live", {**context, "swapped": True})
    return render(request, "apps/detail.html", context)


@change
@login_required
def create(request: HttpRequest, tenant: str) -> HttpResponse:
    """Register an application."""
    owner = opened(request, tenant, "app.edit")
    form = NewAppForm(request.POST or None, initial={"criticality": "normal", "reload": "restart"})
    if request.method == "POST" and form.is_valid():
        try:
            made = services.register_app(tenant=owner, by=request.user, **form.cleaned_data)
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("apps:detail", owner.name, made.name)
    context = {
        "tenant": owner,
        "form": form,
        "title": _("Register an application"),
        "submit": _("Register"),
        "back": reverse("apps:list", args=[owner.name]),
    }
    return answers.form_page(request, "apps/form.html", context)


@change
@login_required
def edit(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """Change what is said of it."""
    found = opened_app(request, tenant, app, "app.edit")
    initial = {field: getattr(found, field) for field in AppForm.base_fields}
    form = AppForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.edit_app(app=found, by=request.user, **form.cleaned_data)
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            messages.success(request, _("%(name)s was changed.") % {"name": found.name})
            return answers.see("apps:detail", tenant, found.name)
    context = _form(request, found, form, _("Change %(name)s") % {"name": found.name}, _("Save"))
    return answers.form_page(request, "apps/form.html", context)


@change
@login_required
def remove(request: HttpRequest, tenant: str, app: str) -> HttpResponse:
    """Forget it, once nothing of it runs."""
    found = opened_app(request, tenant, app, "app.remove")
    form = NameConfirmation(request.POST or None, expected=found.name)
    if request.method == "POST" and form.is_valid():
        try:
            services.remove_app(app=found, by=request.user, confirm_name=form.cleaned_data["name"])
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            messages.success(request, _("%(name)s was removed.") % {"name": found.name})
            return answers.see("apps:list", tenant)
    context = {
        **_form(request, found, form, _("Remove %(name)s") % {"name": found.name}, _("Remove")),
        "what": _("It is forgotten with its releases. Images stay in the registry."),
        "is_danger": True,
    }
    return answers.form_page(request, "apps/form.html", context)


def _form(request: HttpRequest, app: App, form: Any, title: str, submit: str) -> dict[str, Any]:
    back = reverse("apps:detail", args=[app.tenant.name, app.name])
    return {**app_frame(request, app), "form": form, "title": title, "submit": submit, "back": back}
