"""Regions, hosts, credentials, bundles, clusters and environments in the platform operators' admin. No secret is on a
page: sealed columns are named nowhere here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clusters.errors import ClusterError
from clusters.models import (
    Bundle,
    Cluster,
    Credential,
    Environment,
    FencingMethod,
    Host,
    PlanRevision,
    Region,
    TenantRequest,
)
from clusters.services import applying, deployment, environments, host_facts, quotas, requests
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.tenants.admin_site import Action, LookOnly, choice, column, names_of
from kcloud_site.tenants.errors import TenantError
from kcloud_site.tenants.models import Loan, Quota, Tenant

_REFUSALS = (ClusterError, SubjectBusy)
_REGION = column("region__name", _("Region"))
_BY_REGION = choice("region", _("Region"), names_of(Region))
_BY_TENANT = choice("tenant", _("Tenant"), names_of(Tenant))
_AMOUNTS = (
    column("cpu", _("CPU, millicores")),
    column("memory", _("Memory, bytes")),
    column("storage", _("Storage, bytes")),
    column("pods", _("Pods")),
    column("gpus", _("GPUs")),
)
_BY_CLUSTER = choice("cluster", _("Cluster"), names_of(Cluster))


@admin.register(Region)
class RegionAdmin(LookOnly):
    title = _("Regions")
    columns = (column("name", _("Name")), column("title", _("Title")), column("created_at", _("Created")))
    facts = (column("description", _("Description")),)
    search_fields = ("name", "title")

    def console(self, row: Any) -> str:
        return reverse("clusters:region", args=[row.name])


@admin.register(Credential)
class CredentialAdmin(LookOnly):
    """Write-only: the console's page takes a new secret, and nothing shows the one that is stored."""

    title = _("Credentials")
    columns = (
        column("name", _("Name")),
        column("kind", _("Kind")),
        column("username", _("User name")),
        column("fingerprint", _("Fingerprint")),
        column("created_at", _("Created")),
    )
    list_filter = (choice("kind", _("Kind"), lambda: Credential.Kind.choices),)
    search_fields = ("name", "username", "fingerprint")

    def console(self, row: Any) -> str:
        return reverse("clusters:credential", args=[row.name])

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("sealed_secret")


def _gather(host: Host, by: Any, reason: str) -> None:
    host_facts.start_gathering(host=host, by=by, reason=reason)


@admin.register(Host)
class HostAdmin(LookOnly):
    title = _("Hosts")
    columns = (
        column("name", _("Name")),
        column("state", _("State")),
        _REGION,
        column("address", _("Address")),
        column("ssh_port", _("SSH port")),
        column("cluster__name", _("Cluster")),
        column("facts_at", _("Looked at")),
    )
    facts = (
        column("state_reason", _("Why")),
        column("credential__name", _("Credential")),
        column("host_key", _("Host key")),
        column("created_at", _("Enrolled")),
    )
    list_filter = (choice("state", _("State"), lambda: Host.State.choices), _BY_REGION, _BY_CLUSTER)
    list_select_related = ("region", "cluster")
    search_fields = ("name", "address")
    acts = (Action("gather", _("Look again"), _gather, _("Their facts are gathered over SSH."), _REFUSALS),)

    def console(self, row: Any) -> str:
        return reverse("clusters:host", args=[row.name])

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("facts")


@admin.register(FencingMethod)
class FencingMethodAdmin(LookOnly):
    """Changed on the console's page of the host or region, where a dry run is; its secret is shown nowhere."""

    title = _("Ways to power hosts off")
    columns = (
        column("pk", _("Number"), order=False),
        column("host__name", _("Host")),
        column("region__name", _("Region")),
        column("program", _("Program")),
        column("mode", _("When a node is lost")),
        column("changed_at", _("Changed")),
    )
    facts = (
        column("off_text", _("What it says when the machine is off")),
        column("seconds", _("Seconds until it must be off")),
    )
    list_filter = (choice("mode", _("When a node is lost"), lambda: FencingMethod.Mode.choices),)
    list_select_related = ("host", "region")
    search_fields = ("host__name", "region__name", "program")

    def console(self, row: Any) -> str:
        if row.host:
            return reverse("clusters:host_fencing", args=[row.host.name])
        return reverse("clusters:region_fencing", args=[row.region.name])

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("sealed_secret")


@admin.register(Bundle)
class BundleAdmin(LookOnly):
    title = _("Release bundles")
    columns = (
        column("version", _("Version")),
        column("state", _("State")),
        column("size", _("Bytes")),
        column("verified_at", _("Verified")),
    )
    facts = (
        column("state_reason", _("Why")),
        column("path", _("Folder")),
        column("manifest_sha256", _("Digest of the manifest")),
    )
    list_filter = (choice("state", _("State"), lambda: Bundle.State.choices),)
    search_fields = ("version",)


def _deploy(cluster: Cluster, by: Any, reason: str) -> None:
    try:
        deployment.deploy_cluster(cluster=cluster, by=by, reason=reason)
    except PlanRevision.DoesNotExist:
        raise ClusterError(
            gettext("The cluster has no plan."),
            "",
            gettext("One that was imported is not deployed from here."),
        ) from None


@admin.register(Cluster)
class ClusterAdmin(LookOnly):
    title = _("Clusters")
    columns = (
        column("name", _("Name")),
        column("state", _("State")),
        column("health", _("Health")),
        _REGION,
        column("version", _("Version")),
        column("origin", _("Origin")),
        column("ready_at", _("Ready since")),
    )
    facts = (
        column("health_reason", _("Why")),
        column("health_since", _("Since")),
        column("deployed_revision", _("Deployed revision")),
        column("created_by", _("Made by")),
        column("created_at", _("Created")),
    )
    list_filter = (
        choice("state", _("State"), lambda: Cluster.State.choices),
        choice("health", _("Health"), lambda: Cluster.Health.choices),
        choice("origin", _("Origin"), lambda: Cluster.Origin.choices),
        _BY_REGION,
    )
    list_select_related = ("region",)
    search_fields = ("name",)
    acts = (
        Action(
            "deploy",
            _("Deploy"),
            _deploy,
            _(
                "The newest plan is deployed; the preflight must have passed. What is as it should be stays untouched."
            ),
            _REFUSALS,
        ),
    )

    def console(self, row: Any) -> str:
        return reverse("clusters:detail", args=[row.name])


@admin.register(Environment)
class EnvironmentAdmin(LookOnly):
    title = _("Environments")
    columns = (
        column("name", _("Name")),
        column("tenant__name", _("Tenant")),
        column("cluster__name", _("Cluster")),
        column("namespace", _("Namespace")),
        column("stage", _("Stage")),
        column("state", _("State")),
        column("frozen", _("Frozen")),
        column("created_at", _("Created")),
    )
    facts = (
        *_AMOUNTS,
        column("protected", _("Protected")),
        column("created_by", _("Made by")),
    )
    list_filter = (
        choice("state", _("State"), lambda: Environment.State.choices),
        choice("stage", _("Stage"), lambda: Environment.Stage.choices),
        _BY_TENANT,
        _BY_CLUSTER,
    )
    list_select_related = ("tenant", "cluster")
    search_fields = ("name", "namespace", "tenant__name")
    acts = (
        Action(
            "freeze",
            _("Freeze"),
            lambda row, by, reason: environments.freeze_environment(environment=row, by=by, reason=reason),
            _("Nothing can be changed in them until they are thawed; what runs goes on."),
            _REFUSALS,
        ),
        Action(
            "thaw",
            _("Thaw"),
            lambda row, by, reason: environments.thaw_environment(environment=row, by=by, reason=reason),
            refusals=_REFUSALS,
        ),
        Action(
            "repair",
            _("Repair"),
            lambda row, by, reason: environments.repair_environment(environment=row, by=by, reason=reason),
            _("What differs from what should be is put right."),
            _REFUSALS,
        ),
    )

    def console(self, row: Any) -> str:
        return reverse("clusters:environment", args=[row.tenant.name, row.name])

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).defer("sealed_token", "drift", "used")


@admin.register(Quota)
class QuotaAdmin(LookOnly):
    """Totals are set on the tenant's page in the console, where what is carved out of them is seen."""

    title = _("Quotas")
    columns = (column("tenant__name", _("Tenant")), *_AMOUNTS, column("changed_at", _("Changed")))
    list_select_related = ("tenant",)
    search_fields = ("tenant__name",)
    ordering = ("tenant__name",)


@admin.register(Loan)
class LoanAdmin(LookOnly):
    title = _("Borrowed quota")
    columns = (
        column("tenant__name", _("Tenant")),
        *_AMOUNTS,
        column("ends_at", _("Ends")),
        column("ended_at", _("Ended")),
        column("lent_by", _("Lent by")),
    )
    facts = (
        column("reason", _("Why")),
        column("created_at", _("Created")),
        column("ended_by", _("Ended by")),
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter), _BY_TENANT)
    list_select_related = ("tenant",)
    search_fields = ("tenant__name",)
    acts = (
        Action(
            "end_loan",
            _("Take back"),
            lambda row, by, reason: quotas.end_loan(loan=row, by=by, reason=reason),
            _("What the tenant carved out of it stays; nothing more can be carved."),
            _REFUSALS,
        ),
    )


@admin.register(TenantRequest)
class TenantRequestAdmin(LookOnly):
    title = _("Requests")
    columns = (
        column("pk", _("Request"), order=False),
        column("kind", _("Kind")),
        column("tenant__name", _("Tenant")),
        column("state", _("State")),
        column("requested_by_name", _("Asked by")),
        column("created_at", _("Created")),
        column("decided_by_name", _("Decided by")),
    )
    facts = (column("reason", _("What it is for")), column("decision_reason", _("Why")))
    list_filter = (
        choice("state", _("State"), lambda: TenantRequest.State.choices),
        choice("kind", _("Kind"), lambda: TenantRequest.Kind.choices),
        _BY_TENANT,
    )
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "requested_by_name", "reason")
    acts = (
        Action(
            "approve",
            _("Approve"),
            lambda row, by, reason: requests.approve(request=row, by=by, reason=reason),
            refusals=(*_REFUSALS, TenantError),
        ),
        Action(
            "decline",
            _("Decline"),
            lambda row, by, reason: requests.decline(request=row, by=by, reason=reason),
            refusals=(*_REFUSALS, TenantError),
        ),
        Action(
            "apply",
            _("Apply again"),
            lambda row, by, _reason: applying.apply(request=row, by=by),
            refusals=(*_REFUSALS, TenantError),
        ),
    )

    def console(self, row: Any) -> str:
        return reverse("clusters:request", args=[row.tenant.name, row.pk])
