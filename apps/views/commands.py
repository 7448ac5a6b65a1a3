"""One command in a container: a form, and on the same page what it said and how it ended."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from apps.forms.logs import CommandForm
from apps.selectors.kubernetes_logs import running_containers
from apps.services import commands
from apps.views.frame import opened_workload, workload_frame
from clusters.errors import ClusterError
from clusters.forms import refusals
from kcloud_site.tenants import permissions


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def command(request: HttpRequest, tenant: str, app: str, environment: str) -> HttpResponse:
    """Protected environments also ask for the right to change them."""
    workload = opened_workload(request, tenant, app, environment, "command.run")
    if workload.environment.protected:
        permissions.check(request.user, "deployment.protected", workload)
    trouble, places = "", []
    try:
        places = running_containers(workload)
    except ClusterError as error:
        trouble = str(error)
    initial = {"place": request.GET.get("place", "")}
    form = CommandForm(request.POST or None, places=places, initial=initial)
    outcome = None
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        pod, _slash, container = given["place"].partition("/")
        try:
            outcome = commands.run_command(
                workload=workload,
                pod=pod,
                container=container,
                command=commands.read_command(given["command"], shell=given["shell"]),
                seconds=given["seconds"],
                reason=given["reason"],
                by=request.user,
            )
        except ClusterError as error:
            refusals.show(form, error)
    context = {
        **workload_frame(request, workload, "logs"),
        "form": form,
        "trouble": trouble,
        "places": places,
        "outcome": outcome,
        "most": commands.MOST_OUTPUT // 1024,
    }
    return render(request, "apps/command.html", context, status=422 if form.errors else 200)
