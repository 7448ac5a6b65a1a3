"""Pages of hosts: the list, one host, and what can be done with it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from clusters.adapters import ssh
from clusters.errors import ClusterError, HostError
from clusters.forms import refusals
from clusters.forms.hosts import HostFilter, HostRevision, KeyComparison, NewHost
from clusters.models import Credential, Host, Region
from clusters.selectors import hosts as reading
from clusters.services import host_facts, hosts
from clusters.views import answers
from kcloud_site.tenants.permissions import operator_required

ROWS_A_PAGE = 25
change = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
@operator_required
def host_list(request: HttpRequest) -> HttpResponse:
    """All hosts, worst first."""
    form = HostFilter(request.GET)
    chosen = form.cleaned_data if form.is_valid() else {}
    page = Paginator(reading.host_list(chosen), ROWS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "rows": [(host, reading.facts_of(host)) for host in page],
        "counts": reading.host_counts(),
        "is_filtered": any(chosen.values()),
        **reading.filter_choices(),
    }
    return render(request, "clusters/hosts.html", context)


@change
@operator_required
def host_create(request: HttpRequest) -> HttpResponse:
    """Enrol one host: it is reached, signed in to and read before anything is saved."""
    initial = {"region": request.GET.get("region", "")[:40], "ssh_port": 22}
    form = NewHost(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            made = hosts.enrol_host(**form.cleaned_data, by=request.user)
        except ClusterError as error:
            refusals.show(form, error)
        else:
            messages.success(request, _("%(name)s is enrolled.") % {"name": made.name})
            return answers.see("clusters:host", made.name)
    context = {
        "form": form,
        "has_regions": Region.objects.exists(),
        "has_credentials": Credential.objects.exists(),
    }
    return answers.form_page(request, "clusters/host_create.html", context)


@require_safe
@operator_required
def host(request: HttpRequest, name: str) -> HttpResponse:
    """One host: state, why, what now; what was found on it."""
    found = _host(name)
    context = _host_context(found)
    template = "clusters/host.html#body" if getattr(request, "htmx", False) else "clusters/host.html"
    return render(request, template, context)


def _host_context(found: Host) -> dict[str, Any]:
    operations = reading.operations_of(found)
    return {
        "host": found,
        "facts": reading.facts_of(found),
        "membership": getattr(found, "membership", None),
        "fingerprint": ssh.fingerprint(found.host_key),
        "operations": operations,
        "at_work": next((operation for operation in operations if operation.is_active), None),
    }


@require_POST
@operator_required
def host_gather(request: HttpRequest, name: str) -> HttpResponse:
    """Have a worker look at the host again."""
    host_facts.start_gathering(host=_host(name), by=request.user)
    return answers.see("clusters:host", name)


@change
@operator_required
def host_edit(request: HttpRequest, name: str) -> HttpResponse:
    """Another region or credential."""
    found = _host(name)
    initial = {"region": found.region.name, "credential": found.credential.name}
    form = HostRevision(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            hosts.revise_host(host=found, **form.cleaned_data, by=request.user)
        except ClusterError as error:
            refusals.show(form, error)
        else:
            messages.success(request, _("Saved."))
            return answers.see("clusters:host", name)
    context = {
        "form": form,
        "title": _("Region and credential of %(name)s") % {"name": name},
        "tab": "hosts",
        "submit": _("Save"),
        "back": reverse("clusters:host", args=[name]),
    }
    return answers.form_page(request, "clusters/record_form.html", context)


@change
@operator_required
def host_key(request: HttpRequest, name: str) -> HttpResponse:
    """The recorded key beside the one the host shows now; a changed one can be accepted after comparing."""
    found = _host(name)
    form = KeyComparison(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            fingerprint = form.cleaned_data["fingerprint"]
            hosts.accept_new_host_key(host=found, fingerprint=fingerprint, by=request.user)
            host_facts.start_gathering(host=found, by=request.user, reason=_("new host key"))
        except ClusterError as error:
            refusals.show(form, error)
        else:
            messages.success(request, _("The new key is trusted; the host is looked at again."))
            return answers.see("clusters:host", name)
    context = {"host": found, "form": form, "recorded": ssh.fingerprint(found.host_key), **_shown_key(found)}
    return answers.form_page(request, "clusters/host_key.html", context)


def _shown_key(found: Host) -> dict[str, Any]:
    try:
        return {"seen": hosts.seen_fingerprint(host=found)}
    except HostError as error:
        return {"seen": "", "problem": error}


@change
@operator_required
def host_delete(request: HttpRequest, name: str) -> HttpResponse:
    found = _host(name)
    context = {
        "title": _("Delete host %(name)s?") % {"name": name},
        "tab": "hosts",
        "back": reverse("clusters:host", args=[name]),
        "what": _("The portal forgets the host; nothing on the machine changes. It can be enrolled again."),
    }
    return answers.delete_page(
        request,
        name=name,
        context=context,
        delete=lambda: hosts.delete_host(host=found, by=request.user),
        done=_("Host %(name)s is deleted.") % {"name": name},
        then="clusters:hosts",
    )


def _host(name: str) -> Host:
    rows = Host.objects.select_related("region", "credential", "cluster", "membership")
    return get_object_or_404(rows.defer("credential__sealed_secret"), name=name)
