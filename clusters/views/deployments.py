"""Deploy and Reset: both ask a service for an operation and lead to its page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods, require_POST

from clusters.errors import ClusterError
from clusters.forms import refusals
from clusters.models import Cluster
from clusters.planning.plan import PlanInvalid
from clusters.services import deployment
from clusters.views import answers
from clusters.views.plans import planned_cluster
from kcloud_site.tenants.forms.confirmation import NameConfirmation
from kcloud_site.tenants.permissions import operator_required


@require_POST
@operator_required
def deploy(request: HttpRequest, name: str) -> HttpResponse:
    """Deploy the saved plan; the service refuses what preflight has not let pass."""
    cluster = planned_cluster(name)
    try:
        operation = deployment.deploy_cluster(cluster=cluster, by=request.user)
    except (ClusterError, PlanInvalid) as refused:
        messages.error(request, str(refused))
        return answers.see("clusters:plan", cluster.name)
    return answers.see("operations:detail", operation.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_required
def reset(request: HttpRequest, name: str) -> HttpResponse:
    """Take a cluster off its hosts again, once its name was typed."""
    cluster = get_object_or_404(Cluster, name=name, origin=Cluster.Origin.DEPLOYED)
    form = NameConfirmation(request.POST or None, expected=cluster.name)
    if request.method == "POST" and form.is_valid():
        try:
            operation = deployment.reset_cluster(
                cluster=cluster,
                by=request.user,
                confirm_name=form.cleaned_data["name"],
                force=request.POST.get("force") == "on",
            )
        except ClusterError as refused:
            refusals.show(form, refused)
        else:
            return answers.see("operations:detail", operation.pk)
    hosts = list(cluster.hosts.values_list("name", flat=True))
    context = {"cluster": cluster, "form": form, "confirm": cluster.name, "hosts": hosts}
    return answers.form_page(request, "clusters/reset.html", context)
