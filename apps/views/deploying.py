"""Deploying: choose (deploy), see what it would do (preview), confirm (deploy, POST)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.forms.approvals import AskForm
from apps.forms.deploying import DeployForm
from apps.models import App, Workload
from apps.previewing.report import Finding, ObjectChange, Preview
from apps.rollouts.strategy import Strategy
from apps.selectors.deployments import pins_of
from apps.selectors.workloads import right_to_change
from apps.services import deployments, previewing
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.models import Environment
from clusters.views import answers
from kcloud_site.tenants import permissions
from kcloud_site.tenants.encryption import SecretUnreadable
from kcloud_site.tenants.views.answers import opened


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def deploy(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """The form; POST, from the preview's page, deploys."""
    place = opened_place(request, tenant, app, environment)
    if request.method == "POST":
        permissions.check(request.user, right_to_change(place.environment), place.environment)
    form = place_form(place, request.POST if request.method == "POST" else None, request.GET)
    if request.method == "POST" and form.is_valid():
        try:
            made = deployments.deploy_release(
                app=place.app,
                environment=place.environment,
                by=request.user,
                note=form.cleaned_data["note"],
                **chosen_in(form),
            )
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("apps:deployment", tenant, app, environment, made.number)
    return form_page(request, place, form)


@require_safe
@login_required
def preview(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """What it would do, asked of the cluster now; nothing is changed."""
    place = opened_place(request, tenant, app, environment)
    form = place_form(place, request.GET, {})
    if not form.is_valid():
        return form_page(request, place, form)
    try:
        chosen = chosen_in(form)
        found = previewing.preview(app=place.app, environment=place.environment, **chosen)
    except ClusterError as refused:
        refusals.show(form, refused)
        return form_page(request, place, form)
    except SecretUnreadable as error:
        form.add_error(None, str(error))
        return form_page(request, place, form)
    context = {
        **_frame(request, place, _("Preview")),
        **_told(found),
        "release": chosen["release"],
        "strategy": chosen["strategy"],
        "form": form,
        "ask_form": AskForm(),
        "may_deploy": permissions.may(request.user, right_to_change(place.environment), place.environment),
        "ask_url": _address("approval_ask", place),
        "sent": [(name, request.GET.get(name, "")) for name in form.fields],
        "read_at": timezone.now(),
        "back": f"{_address('deploy', place)}?{request.GET.urlencode()}",
    }
    return render(request, "apps/preview.html", context)


def opened_place(request: HttpRequest, tenant: str, app: str, environment: str) -> Workload:
    """The place of a deployment, for whoever may deploy there or ask for it; an unsaved row before the first one."""
    owner = opened(request, tenant, "app.view")
    found = get_object_or_404(App.objects.select_related("tenant"), tenant=owner, name=app)
    rows = Environment.objects.select_related("tenant", "cluster")
    where = get_object_or_404(rows, tenant=owner, name=environment)
    permissions.check(request.user, "deployment.run", where)
    known = Workload.objects.select_related("app", "tenant", "environment__cluster", "release")
    place = known.filter(app=found, environment=where).first()
    return place or Workload(tenant=owner, app=found, environment=where)


def place_form(
    place: Workload, data: Mapping[str, Any] | None, asked: QueryDict | dict[str, str] | None = None
) -> DeployForm:
    """What to deploy there, as it was sent, or as it begins."""
    newest = place.app.releases.order_by("-number").first()
    initial = {
        "release": newest.number if newest else None,
        **{name: value for name, value in (asked or {}).items() if name in DeployForm.base_fields},
    }
    return DeployForm(data, workload=place, pinned=_pinned(place), initial=initial)


def _pinned(place: Workload) -> set[int]:
    return {pin.release_id for pin in pins_of(place)} if place.pk else set()


def chosen_in(form: DeployForm) -> dict[str, Any]:
    """Arguments that the preview and the deployment share. Raises ValueRefused."""
    given = form.cleaned_data
    strategy: Strategy = form.strategy
    return {
        "release": given["release"],
        "replicas": given["replicas"],
        "config_revision": given["config_revision"],
        "strategy": strategy,
    }


def form_page(request: HttpRequest, place: Workload, form: DeployForm) -> HttpResponse:
    """The form, with what was wrong with it."""
    title = _("Deploy %(name)s into %(place)s") % {"name": place.app.name, "place": place.environment.name}
    context = {
        **_frame(request, place, title),
        "form": form,
        "pins": pins_of(place) if place.pk else (),
        "preview_url": _address("preview", place),
        "back": _address("workload", place)
        if place.pk
        else reverse("apps:detail", args=[place.tenant.name, place.app.name]),
    }
    return answers.form_page(request, "apps/deploy.html", context)


def _frame(request: HttpRequest, place: Workload, title: str) -> dict[str, Any]:
    return {
        "tenant": place.tenant,
        "app": place.app,
        "place": place.environment,
        # The crumb leads to the workload's page, which is there after the first deployment only.
        "environment": place.environment if place.pk else None,
        "workload": place,
        "title": title,
        "deploy_url": _address("deploy", place),
        "may_see_environment": permissions.may(request.user, "environment.view", place.environment),
    }


def _address(name: str, place: Workload) -> str:
    return reverse(f"apps:{name}", args=[place.tenant.name, place.app.name, place.environment.name])


# ---- in words


def _told(found: Preview) -> dict[str, Any]:
    restart = found.restart
    return {
        "preview": found,
        "objects": [_object(each) for each in found.objects],
        "findings": [_finding(each) for each in found.findings],
        "counts": {what: found.count(what) for what in ("create", "change", "same", "delete", "refused")},
        "against": [(_(reason), number) for reason, number in found.against],
        "uses": [_use(each) for each in found.uses],
        "because": ", ".join(restart.because[:8]),
        "more_because": max(0, len(restart.because) - 8),
    }


def _object(each: ObjectChange) -> dict[str, Any]:
    fields = [(row.path, _text(row.before), _text(row.after)) for row in each.fields]
    return {"kind": each.kind, "name": each.name, "what": each.what, "why": each.why, "fields": fields}


def _finding(each: Finding) -> tuple[str, str, str]:
    return each.level, each.problem.message_in(_), each.problem.remedy_in(_)


def _use(each: Any) -> dict[str, Any]:
    hard = each.hard or 1
    return {
        "resource": each.resource,
        "now": _amount(each.resource, each.now),
        "peak": _amount(each.resource, each.peak),
        "after": _amount(each.resource, each.after),
        "hard": _amount(each.resource, each.hard),
        "share": min(100, round(100 * each.now / hard)),
        "more": min(100, max(0, round(100 * (each.peak - each.now) / hard))),
    }


def _amount(resource: str, value: float) -> str:
    if "memory" in resource or "storage" in resource:
        return f"{value / 2**20:.0f} MiB" if value < 2**30 else f"{value / 2**30:.2f} GiB"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _text(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else f"{text[:300]}…"
