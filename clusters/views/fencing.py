"""Pages of how hosts are powered off, and the word that one is powered off now."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from clusters.errors import NodeRefused, ValueRefused
from clusters.forms import refusals
from clusters.forms.fencing import FencingForm, initial_of
from clusters.models import FencingMethod, Host, Region
from clusters.services import fencing, fencing_methods
from clusters.views import clusters as pages
from clusters.views.answers import form_page, see
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants.permissions import operator_required

change = require_http_methods(["GET", "HEAD", "POST"])


@change
@operator_required
def host_fencing(request: HttpRequest, name: str) -> HttpResponse:
    """How one host is powered off; without a way of its own, its region's counts."""
    host = get_object_or_404(Host.objects.select_related("region"), name=name)
    return _page(request, host, "clusters:host", {"host": host, "tab": "hosts"})


@change
@operator_required
def region_fencing(request: HttpRequest, name: str) -> HttpResponse:
    """How the hosts of a region are powered off."""
    region = get_object_or_404(Region, name=name)
    return _page(request, region, "clusters:region", {"region": region, "tab": "regions"})


def _page(request: HttpRequest, of: Host | Region, back: str, context: dict[str, Any]) -> HttpResponse:
    own = FencingMethod.objects.filter(**({"host": of} if isinstance(of, Host) else {"region": of})).first()
    if request.method == "POST" and "forget" in request.POST:
        fencing_methods.remove_method(of=of, by=request.user)
        messages.success(request, _("Saved."))
        return see(back, of.name)
    form = FencingForm(request.POST or None, initial=initial_of(own))
    if request.method == "POST" and form.is_valid():
        mode, secret = form.cleaned_data["mode"], form.cleaned_data["secret"]
        try:
            fencing_methods.keep_method(
                of=of, commands=form.commands, mode=mode, secret=secret, by=request.user
            )
        except ValueRefused as error:
            refusals.show(form, error)
        else:
            messages.success(request, _("Saved."))
            return see(f"{back}_fencing", of.name)
    in_force = fencing_methods.method_for(of) if isinstance(of, Host) else own
    context |= {"form": form, "own": own, "in_force": in_force, "of": of}
    return form_page(request, "clusters/fencing.html", context)


@require_POST
@operator_required
def host_fencing_try(request: HttpRequest, name: str) -> HttpResponse:
    """A dry run: ask for the state, power nothing off."""
    host = get_object_or_404(Host.objects.select_related("region"), name=name)
    try:
        operation = fencing.try_method(host=host, by=request.user)
    except (NodeRefused, SubjectBusy) as error:
        messages.error(request, str(error))
        return see("clusters:host_fencing", name)
    return see("operations:detail", operation.pk)


@require_POST
@operator_required
def node_power_off(request: HttpRequest, name: str, node: str) -> HttpResponse:
    """Power the machine of a lost node off now."""
    cluster = pages.one(name)
    try:
        operation = fencing.power_off(cluster=cluster, node=node, by=request.user)
    except (NodeRefused, SubjectBusy) as error:
        messages.error(request, str(error))
        return see("clusters:node", name, node)
    return see("operations:detail", operation.pk)
