"""The API's addresses below /api/v1/. Each app brings its own view sets."""

from django.urls import path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.routers import SimpleRouter

from apps.api.applications import AppViewSet
from apps.api.approvals import DeploymentRequestViewSet
from apps.api.config_trials import ConfigTrialViewSet
from apps.api.configurations import ConfigurationViewSet
from apps.api.diagnosis import DiagnosisViewSet
from apps.api.healing import ConsentViewSet, HealingViewSet
from apps.api.images import ImageViewSet
from apps.api.logs import CommandViewSet, LogViewSet
from apps.api.registries import RegistryViewSet
from apps.api.releases import ReleaseViewSet
from apps.api.workloads import DeploymentViewSet, WorkloadViewSet
from clusters.api.clusters import ClusterViewSet
from clusters.api.environments import EnvironmentViewSet
from clusters.api.hosts import HostViewSet
from clusters.api.quotas import LoanViewSet, QuotaViewSet
from clusters.api.regions import BundleViewSet, CredentialViewSet, RegionViewSet
from clusters.api.requests import RequestQueueViewSet, TenantRequestViewSet
from kcloud_site.operations.api.audit import AuditEventViewSet
from kcloud_site.operations.api.operations import OperationViewSet
from kcloud_site.tenants.api.members import GrantViewSet, InvitationViewSet, MemberViewSet
from kcloud_site.tenants.api.tenants import TenantViewSet
from kcloud_site.tenants.api.tokens import MeViewSet, RoleViewSet, TokenViewSet
from kcloud_site.webhooks.api import WebhookViewSet

OF_TENANT = r"tenants/(?P<tenant>[a-z][-a-z0-9]{0,29})"

OF_WORKLOAD = rf"{OF_TENANT}/apps/(?P<app>[a-z][-a-z0-9]{{0,39}})/in/(?P<environment>[a-z][-a-z0-9]{{0,29}})"

IMAGES = rf"^{OF_TENANT}/images"
REPOSITORY = rf"{IMAGES}/(?P<repository>[a-z0-9][a-z0-9._/-]{{0,200}})"

router = SimpleRouter(trailing_slash=False)
router.register("me", MeViewSet, basename="api-me")
router.register("roles", RoleViewSet, basename="api-role")
router.register("tokens", TokenViewSet, basename="api-token")
router.register("tenants", TenantViewSet, basename="api-tenant")
router.register(rf"{OF_TENANT}/members", MemberViewSet, basename="api-member")
router.register(rf"{OF_TENANT}/grants", GrantViewSet, basename="api-grant")
router.register(rf"{OF_TENANT}/invitations", InvitationViewSet, basename="api-invitation")
router.register(rf"{OF_TENANT}/apps", AppViewSet, basename="api-app")
router.register(
    rf"{OF_TENANT}/apps/(?P<app>[a-z][-a-z0-9]{{0,39}})/releases", ReleaseViewSet, basename="api-release"
)
router.register(rf"{OF_TENANT}/registries", RegistryViewSet, basename="api-registry")
router.register(rf"{OF_TENANT}/environments", EnvironmentViewSet, basename="api-environment")
router.register(rf"{OF_TENANT}/quota/loans", LoanViewSet, basename="api-loan")
router.register(rf"{OF_TENANT}/requests", TenantRequestViewSet, basename="api-request")
router.register(rf"{OF_WORKLOAD}/healing", HealingViewSet, basename="api-healing")
router.register("requests", RequestQueueViewSet, basename="api-queue")
router.register("webhooks", WebhookViewSet, basename="api-webhook")
router.register("regions", RegionViewSet, basename="api-region")
router.register("credentials", CredentialViewSet, basename="api-credential")
router.register("bundles", BundleViewSet, basename="api-bundle")
router.register("hosts", HostViewSet, basename="api-host")
router.register("clusters", ClusterViewSet, basename="api-cluster")
router.register("operations", OperationViewSet, basename="api-operation")
router.register("audit-events", AuditEventViewSet, basename="api-audit-event")

CONFIGURATION = rf"^{OF_WORKLOAD}/configuration"
DEPLOYMENT_REQUESTS = rf"^{OF_WORKLOAD}/deployment-requests"
CONFIG_REVISION = rf"{CONFIGURATION}/revisions/(?P<number>[0-9]{{1,8}})"

urlpatterns = [
    *router.urls,
    re_path(
        rf"{CONFIGURATION}\Z",
        ConfigurationViewSet.as_view({"get": "retrieve", "put": "draft"}),
        name="api-configuration",
    ),
    re_path(
        rf"{CONFIGURATION}/revisions\Z",
        ConfigurationViewSet.as_view({"get": "revisions"}),
        name="api-configuration-revisions",
    ),
    re_path(
        rf"{CONFIGURATION}/readers\Z",
        ConfigurationViewSet.as_view({"get": "readers"}),
        name="api-configuration-readers",
    ),
    re_path(
        rf"{CONFIGURATION}/copy\Z",
        ConfigurationViewSet.as_view({"post": "copy"}),
        name="api-configuration-copy",
    ),
    re_path(
        rf"{CONFIGURATION}/import\Z",
        ConfigurationViewSet.as_view({"post": "import_draft"}),
        name="api-configuration-import",
    ),
    re_path(
        rf"{CONFIGURATION}/import/preview\Z",
        ConfigurationViewSet.as_view({"post": "preview_import"}),
        name="api-configuration-import-preview",
    ),
    re_path(
        rf"{CONFIG_REVISION}/export\Z",
        ConfigurationViewSet.as_view({"get": "export"}),
        name="api-configuration-export",
    ),
    re_path(
        rf"{CONFIG_REVISION}\Z",
        ConfigurationViewSet.as_view({"get": "revision"}),
        name="api-configuration-revision",
    ),
    re_path(
        rf"{CONFIG_REVISION}/diff\Z",
        ConfigurationViewSet.as_view({"get": "diff"}),
        name="api-configuration-diff",
    ),
    *(
        re_path(
            rf"{CONFIG_REVISION}/{verb}\Z",
            ConfigurationViewSet.as_view({"post": verb}),
            name=f"api-configuration-{verb}",
        )
        for verb in ("propose", "withdraw", "rollback", "publish")
    ),
    *(
        re_path(
            rf"{CONFIG_REVISION}/{place}\Z",
            ConfigTrialViewSet.as_view({method: action}),
            name=f"api-configuration-{action.replace('_', '-')}",
        )
        for place, method, action in (
            ("plan", "post", "plan"),
            ("stage", "post", "stage"),
            ("trial", "get", "trial"),
            ("trial/hold", "post", "hold"),
            ("trial/proceed", "post", "proceed"),
            ("trial/return", "post", "give_back"),
        )
    ),
    re_path(rf"{IMAGES}\Z", ImageViewSet.as_view({"get": "list"}), name="api-image-list"),
    re_path(rf"{REPOSITORY}\Z", ImageViewSet.as_view({"get": "retrieve"}), name="api-image-detail"),
    re_path(
        rf"{REPOSITORY}@(?P<digest>sha256:[0-9a-f]{{64}})\Z",
        ImageViewSet.as_view({"delete": "destroy"}),
        name="api-image-content",
    ),
    re_path(
        rf"{REPOSITORY}:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})\Z",
        ImageViewSet.as_view({"delete": "untag"}),
        name="api-image-tag",
    ),
    # One of it for each tenant: no list, and no name of its own.
    re_path(
        rf"^{OF_TENANT}/quota\Z", QuotaViewSet.as_view({"get": "retrieve", "put": "update"}), name="api-quota"
    ),
    re_path(
        rf"^{OF_WORKLOAD}/healing/consent\Z",
        ConsentViewSet.as_view({"get": "retrieve", "put": "update"}),
        name="api-healing-consent",
    ),
    re_path(
        rf"^{OF_WORKLOAD}\Z",
        WorkloadViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-workload",
    ),
    re_path(rf"^{OF_WORKLOAD}/actions\Z", WorkloadViewSet.as_view({"post": "act"}), name="api-workload-act"),
    re_path(rf"^{OF_WORKLOAD}/pods\Z", WorkloadViewSet.as_view({"get": "pods"}), name="api-workload-pods"),
    re_path(
        rf"^{OF_WORKLOAD}/preview\Z",
        WorkloadViewSet.as_view({"post": "preview"}),
        name="api-workload-preview",
    ),
    re_path(
        rf"^{OF_WORKLOAD}/deployments\Z",
        DeploymentViewSet.as_view({"get": "list", "post": "create"}),
        name="api-deployment-list",
    ),
    re_path(
        rf"^{OF_WORKLOAD}/deployments/(?P<number>[0-9]{{1,9}})\Z",
        DeploymentViewSet.as_view({"get": "retrieve"}),
        name="api-deployment-detail",
    ),
    re_path(
        rf"{DEPLOYMENT_REQUESTS}\Z",
        DeploymentRequestViewSet.as_view({"get": "list", "post": "create"}),
        name="api-deployment-request-list",
    ),
    re_path(
        rf"{DEPLOYMENT_REQUESTS}/(?P<pk>[0-9]{{1,18}})\Z",
        DeploymentRequestViewSet.as_view({"get": "retrieve"}),
        name="api-deployment-request-detail",
    ),
    *(
        re_path(
            rf"{DEPLOYMENT_REQUESTS}/(?P<pk>[0-9]{{1,18}})/{verb}\Z",
            DeploymentRequestViewSet.as_view({"post": verb}),
            name=f"api-deployment-request-{verb}",
        )
        for verb in ("approve", "decline", "withdraw")
    ),
    re_path(
        rf"^{OF_WORKLOAD}/diagnosis\Z", DiagnosisViewSet.as_view({"get": "retrieve"}), name="api-diagnosis"
    ),
    re_path(rf"^{OF_WORKLOAD}/logs\Z", LogViewSet.as_view({"get": "retrieve"}), name="api-logs"),
    re_path(rf"^{OF_WORKLOAD}/commands\Z", CommandViewSet.as_view({"post": "create"}), name="api-commands"),
    path(
        "schema",
        SpectacularJSONAPIView.as_view(permission_classes=[AllowAny], authentication_classes=[]),
        name="api-schema",
    ),
    path(
        "docs",
        SpectacularSwaggerSplitView.as_view(
            url_name="api-schema", permission_classes=[AllowAny], authentication_classes=[]
        ),
        name="api-docs",
    ),
]
