"""Applications, releases, workloads and deployments in the platform operators' admin: all tenants in one list."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.models import App, Deployment, Release, Workload
from apps.services import deployments
from clusters.errors import ClusterError
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants.admin_site import Action, LookOnly, choice, column, names_of
from kcloud_site.tenants.models import Tenant

_REFUSALS = (ClusterError, SubjectBusy)
_TENANT = column("tenant__name", _("Tenant"))
_BY_TENANT = choice("tenant", _("Tenant"), names_of(Tenant))


@admin.register(App)
class AppAdmin(LookOnly):
    title = _("Applications")
    columns = (
        column("name", _("Name")),
        _TENANT,
        column("title", _("Title")),
        column("criticality", _("Criticality")),
        column("owner", _("Owner")),
        column("created_at", _("Registered")),
    )
    facts = (
        column("description", _("Description")),
        column("contacts", _("Contacts")),
        column("repository", _("Repository")),
        column("reload", _("Reload")),
    )
    list_filter = (_BY_TENANT, choice("criticality", _("Criticality"), lambda: App.Criticality.choices))
    list_select_related = ("tenant",)
    search_fields = ("name", "title")

    def console(self, row: Any) -> str:
        return reverse("apps:detail", args=[row.tenant.name, row.name])


@admin.register(Release)
class ReleaseAdmin(LookOnly):
    title = _("Releases")
    columns = (
        column("version", _("Version")),
        column("app__name", _("Application")),
        _TENANT,
        column("source", _("From")),
        column("created_by", _("Published by")),
        column("created_at", _("When")),
    )
    facts = (column("number", _("Number")), column("notes", _("Notes")))
    list_filter = (_BY_TENANT, choice("source", _("From"), lambda: Release.Source.choices))
    list_select_related = ("tenant", "app")
    search_fields = ("version", "app__name")

    def console(self, row: Any) -> str:
        return reverse("apps:release", args=[row.tenant.name, row.app.name, row.number])

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("spec")


def _stop(workload: Workload, by: Any, reason: str) -> None:
    deployments.stop_workload(workload=workload, by=by, note=reason)


def _restart(workload: Workload, by: Any, reason: str) -> None:
    deployments.restart_workload(workload=workload, by=by, note=reason)


@admin.register(Workload)
class WorkloadAdmin(LookOnly):
    title = _("Workloads")
    columns = (
        column("app__name", _("Application")),
        column("environment__namespace", _("Environment")),
        _TENANT,
        column("state", _("State")),
        column("release__version", _("Release")),
        column("config_revision", _("Configuration")),
        column("replicas", _("Replicas")),
        column("changed_at", _("Last change")),
    )
    facts = (
        column("state_reason", _("Why")),
        column("observed", _("Seen")),
        column("purge_at", _("Bin until")),
    )
    list_filter = (_BY_TENANT, choice("state", _("State"), lambda: Workload.State.choices))
    list_select_related = ("tenant", "app", "environment", "release")
    search_fields = ("app__name", "environment__namespace")
    acts = (
        Action("restart", _("Restart"), _restart, _("Every pod is made anew, one after another."), _REFUSALS),
        Action("stop", _("Stop"), _stop, _("Their pods go; everything else stays."), _REFUSALS),
    )

    def console(self, row: Any) -> str:
        return reverse("apps:workload", args=[row.tenant.name, row.app.name, row.environment.name])


@admin.register(Deployment)
class DeploymentAdmin(LookOnly):
    title = _("Deployments")
    columns = (
        column("workload__app__name", _("Application")),
        column("workload__environment__namespace", _("Environment")),
        _TENANT,
        column("action", _("Action")),
        column("release__version", _("Release")),
        column("state", _("State")),
        column("requested_by", _("Asked for by")),
        column("created_at", _("When")),
    )
    facts = (column("number", _("Number")), column("reason", _("Why")), column("note", _("Note")))
    list_filter = (
        _BY_TENANT,
        choice("action", _("Action"), lambda: Deployment.Action.choices),
        choice("state", _("State"), lambda: Deployment.State.choices),
    )
    list_select_related = ("tenant", "workload__app", "workload__environment", "release")
    search_fields = ("workload__app__name", "workload__environment__namespace", "release__version")

    def console(self, row: Any) -> str:
        workload = row.workload
        return reverse("apps:workload", args=[row.tenant.name, workload.app.name, workload.environment.name])
