"""Scale, stop, start, restart, undo, remove, and letting a release in again: each form asks one service and leads to
the page of the deployment it made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.forms.deploying import NoteForm, ScaleForm
from apps.models import Deployment, Workload
from apps.selectors.deployments import pins_of
from apps.services import bin as bins
from apps.services import deployments
from apps.views.frame import opened_to_change, opened_workload, workload_frame
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.views import answers
from kcloud_site.tenants.forms.confirmation import NameConfirmation

change = require_http_methods(["GET", "HEAD", "POST"])


@change
@login_required
def scale(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """More or fewer pods."""
    found = opened_to_change(request, tenant, app, environment)
    form = ScaleForm(request.POST or None, initial={"replicas": found.replicas})
    said = {"title": _("Scale %(name)s") % {"name": found.app.name}, "submit": _("Scale")}
    if found.stopped:
        said["what"] = _("It is stopped; the number is remembered for the start.")
    return _asked(
        request, found, form, said, lambda given: deployments.scale_workload(workload=found, **given)
    )


@change
@login_required
def stop(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """No pods; everything else stays."""
    found = opened_to_change(request, tenant, app, environment)
    said = {
        "title": _("Stop %(name)s?") % {"name": found.app.name},
        "what": _("Its pods end and it answers nobody. Release, configuration and volumes stay."),
        "submit": _("Stop"),
    }
    return _noted(request, found, said, deployments.stop_workload)


@change
@login_required
def start(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """As many pods as before it was stopped."""
    found = opened_to_change(request, tenant, app, environment)
    said = {
        "title": _("Start %(name)s?") % {"name": found.app.name},
        "what": _("It gets %(count)s pods, as before it was stopped.") % {"count": found.replicas},
        "submit": _("Start"),
    }
    return _noted(request, found, said, deployments.start_workload)


@change
@login_required
def restart(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """Every pod anew."""
    found = opened_to_change(request, tenant, app, environment)
    said = {
        "title": _("Restart %(name)s?") % {"name": found.app.name},
        "what": _("Every pod is made anew, one after another."),
        "submit": _("Restart"),
    }
    return _noted(request, found, said, deployments.restart_workload)


@change
@login_required
def undo(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """Release, configuration and replicas back in one step."""
    found = opened_to_change(request, tenant, app, environment)
    back = undo_in_words(found)
    said = {
        "title": _("Undo the newest change?"),
        "what": back or _("There is nothing to undo: this is as it was first deployed."),
        "submit": _("Undo") if back else "",
    }
    return _noted(request, found, said, deployments.undo_deployment)


@change
@login_required
def remove(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """To the bin, once the name was typed."""
    found = opened_workload(request, tenant, app, environment, "app.remove")
    form = NameConfirmation(request.POST or None, expected=found.app.name)
    said = {
        "title": _("Remove %(name)s from %(place)s?")
        % {"name": found.app.name, "place": found.environment.name},
        "what": _(
            "Its pods, Service and configuration objects go from the cluster. Volumes and history wait seven days in"
            " the bin, from where it can be taken back. Type %(name)s to confirm."
        )
        % {"name": found.app.name},
        "submit": _("Remove"),
        "is_danger": True,
    }

    def act(given: dict[str, Any]) -> Deployment:
        return bins.remove_workload(workload=found, by=given["by"], confirm_name=given["name"])

    return _asked(request, found, form, said, act)


@require_POST
@login_required
def pin_lift(request: HttpRequest, tenant: str, app: str, environment: str, pk: int) -> HttpResponse:
    """Let a release that failed be deployed again."""
    found = opened_to_change(request, tenant, app, environment)
    pin = get_object_or_404(pins_of(found), pk=pk)
    deployments.lift_pin(pin=pin, by=request.user)
    messages.success(
        request, _("Release %(version)s may be deployed again.") % {"version": pin.release.version}
    )
    return answers.see("apps:deployments", tenant, app, environment)


def undo_in_words(found: Workload) -> str:
    """What an undo goes back to; "" when there is nothing to undo."""
    back = deployments.preview_undo(found)
    if back is None:
        return ""
    said = {
        "version": back["release"].version,
        "revision": f"r{back['config_revision']}" if back["config_revision"] is not None else "–",
        "count": back["replicas"],
    }
    if back.get("stopped"):
        return _("Back to release %(version)s, configuration %(revision)s, stopped.") % said
    return _("Back to release %(version)s, configuration %(revision)s, %(count)s pods.") % said


def _noted(
    request: HttpRequest, found: Workload, said: dict[str, Any], service: Callable[..., Deployment]
) -> HttpResponse:
    form = NoteForm(request.POST if request.method == "POST" else None)
    return _asked(request, found, form, said, lambda given: service(workload=found, **given))


def _asked(
    request: HttpRequest,
    found: Workload,
    form: forms.Form,
    said: dict[str, Any],
    act: Callable[[dict[str, Any]], Deployment],
) -> HttpResponse:
    names = (found.tenant.name, found.app.name, found.environment.name)
    if request.method == "POST" and form.is_valid():
        try:
            made = act({**form.cleaned_data, "by": request.user})
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("apps:deployment", *names, made.number)
    context = {
        **workload_frame(request, found),
        **said,
        "form": form,
        "back": reverse("apps:workload", args=names),
    }
    return answers.form_page(request, "apps/form.html", context)
