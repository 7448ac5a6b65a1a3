"""Pages of regions."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from clusters.errors import ValueRefused
from clusters.forms import refusals
from clusters.forms.regions import NewRegion, RegionDescription
from clusters.models import Region
from clusters.selectors import hosts as reading
from clusters.services import regions
from clusters.views import answers
from kcloud_site.tenants.permissions import operator_required

change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@operator_required
def region_list(request: HttpRequest) -> HttpResponse:
    return render(request, "clusters/regions.html", {"regions": reading.region_list()})


@change
@operator_required
def region_create(request: HttpRequest) -> HttpResponse:
    form = NewRegion(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            region = regions.create_region(**form.cleaned_data, by=request.user)
        except ValueRefused as error:
            refusals.show(form, error)
        else:
            messages.success(
                request, _("Region %(name)s is there. Enrol hosts into it.") % {"name": region.name}
            )
            return answers.see("clusters:region", region.name)
    context = {"form": form, "title": _("New region"), "tab": "regions", "submit": _("Create the region")}
    return answers.form_page(request, "clusters/record_form.html", context)


@change
@operator_required
def region(request: HttpRequest, name: str) -> HttpResponse:
    """What stands in a region, and what people read of it."""
    found = get_object_or_404(reading.region_list(), name=name)
    form = RegionDescription(
        request.POST or None, initial={"title": found.title, "description": found.description}
    )
    if request.method == "POST" and form.is_valid():
        try:
            regions.describe_region(region=found, **form.cleaned_data, by=request.user)
        except ValueRefused as error:
            refusals.show(form, error)
        else:
            messages.success(request, _("Saved."))
            return answers.see("clusters:region", name)
    context = {"region": found, "clusters": found.clusters.all()[:100], "form": form}
    return answers.form_page(request, "clusters/region.html", context)


@change
@operator_required
def region_delete(request: HttpRequest, name: str) -> HttpResponse:
    found = get_object_or_404(Region, name=name)
    context = {
        "title": _("Delete region %(name)s?") % {"name": name},
        "tab": "regions",
        "back": reverse("clusters:region", args=[name]),
        "what": _("A region with hosts or clusters stays."),
    }
    return answers.delete_page(
        request,
        name=name,
        context=context,
        delete=lambda: regions.delete_region(region=found, by=request.user),
        done=_("Region %(name)s is deleted.") % {"name": name},
        then="clusters:regions",
    )
