"""Making and changing environments: each form asks one service for an operation and leads to its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from clusters import access
from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.forms.environments import NewEnvironment, ReasonForm, ShareForm
from clusters.models import Environment
from clusters.selectors import environments as reading
from clusters.selectors import quotas as quota_reading
from clusters.selectors.resource_texts import amounts
from clusters.services import environments
from clusters.views import answers
from clusters.views.environments import frame, one, tenant_of
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants import permissions
from kcloud_site.tenants.encryption import SecretUnreadable
from kcloud_site.tenants.forms.confirmation import NameConfirmation

change = require_http_methods(["GET", "HEAD", "POST"])


@change
@login_required
def create(request: HttpRequest, tenant: str) -> HttpResponse:
    """A new environment, by a platform operator; tenants ask for one by a request."""
    owner = tenant_of(request, tenant, "platform.operate")
    form = NewEnvironment(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = {key: form.cleaned_data[key] for key in ("name", "stage", "cluster", "protected", "reason")}
        try:
            made = environments.create_environment(tenant=owner, share=form.amount, by=request.user, **given)
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("clusters:environment", owner.name, made.name)
    context = {
        "form": form,
        "tenant": owner,
        "title": _("New environment"),
        "submit": _("Make the environment"),
        "back": reverse("clusters:environments", args=[owner.name]),
        "free": amounts(quota_reading.standing(owner).free.floored()),
    }
    return answers.form_page(request, "clusters/environment_form.html", context)


@change
@login_required
def resize(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    """Another share."""
    found = one(request, tenant, name, "environment.resize")
    form = ShareForm(request.POST or None, initial=ShareForm.told(found.resources))
    if request.method == "POST" and form.is_valid():
        try:
            asked = environments.resize_environment(
                environment=found, share=form.amount, by=request.user, reason=form.cleaned_data["reason"]
            )
        except (ClusterError, SubjectBusy) as refused:
            _refuse(form, refused)
        else:
            if asked is None:
                messages.success(request, _("It has that share already; nothing was changed."))
            return _see(found)
    context = {
        **frame(request, found),
        "form": form,
        "title": _("Resize %(name)s") % {"name": found.namespace},
        "submit": _("Resize"),
        "back": _address(found),
        "free": amounts(quota_reading.standing(found.tenant).free.floored()),
    }
    return answers.form_page(request, "clusters/environment_form.html", context)


@change
@login_required
def freeze(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    found = one(request, tenant, name, "environment.freeze")
    said = {
        "title": _("Freeze %(name)s?") % {"name": found.namespace},
        "what": _(
            "What runs goes on, and is replaced when it dies. Nothing new starts, and nobody changes anything through"
            " the portal until it is thawed."
        ),
        "submit": _("Freeze"),
    }
    return _with_reason(request, found, environments.freeze_environment, said)


@change
@login_required
def thaw(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    found = one(request, tenant, name, "environment.freeze")
    said = {
        "title": _("Thaw %(name)s?") % {"name": found.namespace},
        "what": _("It can be changed again, up to its whole share."),
        "submit": _("Thaw"),
    }
    return _with_reason(request, found, environments.thaw_environment, said)


@change
@login_required
def repair(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    found = one(request, tenant, name, "environment.resize")
    said = {
        "title": _("Repair %(name)s?") % {"name": found.namespace},
        "what": _(
            "Every object is compared with what it should be, and put right. What runs is not touched."
        ),
        "submit": _("Repair"),
    }
    return _with_reason(request, found, environments.repair_environment, said)


@change
@login_required
def remove(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    """Delete it with everything in it, once its name was typed."""
    found = one(request, tenant, name, "environment.remove")
    form = NameConfirmation(request.POST or None, expected=found.namespace)
    may_give_up = permissions.may(request.user, "platform.operate")
    if request.method == "POST" and form.is_valid():
        try:
            asked = environments.remove_environment(
                environment=found,
                by=request.user,
                confirm_name=form.cleaned_data["name"],
                give_up=may_give_up and request.POST.get("give_up") == "on",
            )
        except (ClusterError, SubjectBusy) as refused:
            _refuse(form, refused)
        else:
            return answers.see("operations:detail", asked.pk)
    context = {**frame(request, found), "form": form, "may_give_up": may_give_up, "volumes": None}
    try:
        claims = access.kubernetes_for(found.cluster, timeout=3.0).list(
            f"/api/v1/namespaces/{found.namespace}/persistentvolumeclaims"
        )
        context["volumes"] = reading.volumes_in_words(claims)
    except (ClusterError, SecretUnreadable) as error:
        context["unseen"] = str(error)
    return answers.form_page(request, "clusters/environment_remove.html", context)


@require_POST
@login_required
def protect(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    """protected=on guards it against removal, anything else lifts that."""
    found = one(request, tenant, name, "environment.remove")
    protected = request.POST.get("protected") == "on"
    environments.protect_environment(environment=found, protected=protected, by=request.user)
    messages.success(request, _("It is protected.") if protected else _("Its protection is lifted."))
    return _see(found)


@require_POST
@login_required
def repair_mode(request: HttpRequest, tenant: str, name: str) -> HttpResponse:
    """Whether differences are repaired by themselves."""
    found = one(request, tenant, name, "environment.resize")
    mode = request.POST.get("repair", "")
    if mode in Environment.Repair.values:
        environments.set_repair(environment=found, repair=mode, by=request.user)
        messages.success(request, _("Saved."))
    else:
        messages.error(request, _("Choose whether differences are repaired by themselves or by hand."))
    return _see(found)


def _with_reason(
    request: HttpRequest, found: Environment, service: Callable[..., Any], said: dict[str, Any]
) -> HttpResponse:
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            service(environment=found, by=request.user, reason=form.cleaned_data["reason"])
        except (ClusterError, SubjectBusy) as refused:
            _refuse(form, refused)
        else:
            return _see(found)
    context = {**frame(request, found), **said, "form": form, "back": _address(found)}
    return answers.form_page(request, "clusters/environment_form.html", context)


def _refuse(form: Any, refused: Exception) -> None:
    if isinstance(refused, ClusterError):
        refusals.show(form, refused)
    else:
        form.add_error(None, str(refused))


def _address(found: Environment) -> str:
    return reverse("clusters:environment", args=[found.tenant.name, found.name])


def _see(found: Environment) -> HttpResponse:
    return answers.see("clusters:environment", found.tenant.name, found.name)
