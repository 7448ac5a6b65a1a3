"""Addresses of clusters, hosts and all they are made of, and of tenants' environments, quotas and requests."""

from django.urls import URLPattern, path

from clusters.views import (
    bundles,
    clusters,
    credentials,
    deployments,
    environment_changes,
    environments,
    host_imports,
    hosts,
    imports,
    nodes,
    plans,
    preflight,
    quotas,
    regions,
    request_changes,
    requests,
)

app_name = "clusters"

urlpatterns: list[URLPattern] = [
    path("hosts/", hosts.host_list, name="hosts"),
    path("hosts/new/", hosts.host_create, name="host_create"),
    path("hosts/import/", host_imports.host_import, name="host_import"),
    path("hosts/<slug:name>/", hosts.host, name="host"),
    path("hosts/<slug:name>/edit/", hosts.host_edit, name="host_edit"),
    path("hosts/<slug:name>/key/", hosts.host_key, name="host_key"),
    path("hosts/<slug:name>/gather/", hosts.host_gather, name="host_gather"),
    path("hosts/<slug:name>/delete/", hosts.host_delete, name="host_delete"),
    path("regions/", regions.region_list, name="regions"),
    path("regions/new/", regions.region_create, name="region_create"),
    path("regions/<slug:name>/", regions.region, name="region"),
    path("regions/<slug:name>/delete/", regions.region_delete, name="region_delete"),
    path("credentials/", credentials.credential_list, name="credentials"),
    path("credentials/new/", credentials.credential_create, name="credential_create"),
    path("credentials/<slug:name>/", credentials.credential, name="credential"),
    path("credentials/<slug:name>/delete/", credentials.credential_delete, name="credential_delete"),
    path("bundles/", bundles.bundle_list, name="bundles"),
    path("clusters/", clusters.cluster_list, name="list"),
    path("clusters/import/", imports.cluster_import, name="import"),
    path("clusters/new/", plans.plan_create, name="plan_create"),
    path("clusters/new/yaml/", plans.plan_upload, name="plan_upload"),
    path("clusters/<slug:name>/plan/", plans.plan, name="plan"),
    path("clusters/<slug:name>/plan/history/", plans.plan_history, name="plan_history"),
    path("clusters/<slug:name>/plan/yaml/", plans.plan_yaml_file, name="plan_yaml"),
    path("clusters/<slug:name>/preflight/", preflight.run, name="preflight"),
    path("clusters/<slug:name>/preflight/<int:pk>/accept/", preflight.accept, name="preflight_accept"),
    path("clusters/<slug:name>/deploy/", deployments.deploy, name="deploy"),
    path("clusters/<slug:name>/reset/", deployments.reset, name="reset"),
    path("clusters/<slug:name>/", clusters.cluster, name="detail"),
    path("clusters/<slug:name>/nodes/", nodes.node_list, name="nodes"),
    path("clusters/<slug:name>/nodes/<str:node>/", nodes.node, name="node"),
    path("clusters/<slug:name>/nodes/<str:node>/off/", nodes.fence, name="node_fence"),
    path("clusters/<slug:name>/compare/", clusters.compare, name="compare"),
    path("clusters/<slug:name>/environments/", environments.of_cluster, name="cluster_environments"),
    path("environments/", environments.everywhere, name="all_environments"),
    path("environments/<slug:name>/", environments.by_namespace, name="environment_by_namespace"),
    path("tenants/<slug:tenant>/environments/", environments.of_tenant, name="environments"),
    # The words "new" and "panel" are no names of environments (services.environment_rules).
    path("tenants/<slug:tenant>/environments/new/", environment_changes.create, name="environment_create"),
    path("tenants/<slug:tenant>/environments/panel/", environments.panel, name="environments_panel"),
    *(
        path(f"tenants/<slug:tenant>/environments/<slug:name>/{place}", view, name=name)
        for place, view, name in (
            ("", environments.environment, "environment"),
            ("resize/", environment_changes.resize, "environment_resize"),
            ("freeze/", environment_changes.freeze, "environment_freeze"),
            ("thaw/", environment_changes.thaw, "environment_thaw"),
            ("repair/", environment_changes.repair, "environment_repair"),
            ("repair/mode/", environment_changes.repair_mode, "environment_repair_mode"),
            ("protect/", environment_changes.protect, "environment_protect"),
            ("remove/", environment_changes.remove, "environment_remove"),
        )
    ),
    path("tenants/<slug:tenant>/quota/", quotas.quota, name="quota"),
    path("tenants/<slug:tenant>/quota/panel/", quotas.panel, name="quota_panel"),
    path("tenants/<slug:tenant>/quota/edit/", quotas.edit, name="quota_edit"),
    path("tenants/<slug:tenant>/quota/loans/new/", quotas.lend, name="loan_create"),
    path("tenants/<slug:tenant>/quota/loans/<int:pk>/end/", quotas.end_loan, name="loan_end"),
    path("requests/", requests.queue, name="request_queue"),
    path("requests/<int:pk>/", requests.any_request, name="any_request"),
    path("tenants/<slug:tenant>/requests/", requests.of_tenant, name="requests"),
    path("tenants/<slug:tenant>/requests/panel/", requests.panel, name="requests_panel"),
    path("tenants/<slug:tenant>/requests/new/", requests.ask, name="request_create"),
    path("tenants/<slug:tenant>/requests/new/<slug:kind>/", requests.ask_for, name="request_new"),
    *(
        path(f"tenants/<slug:tenant>/requests/<int:pk>/{place}", view, name=name)
        for place, view, name in (
            ("", requests.detail, "request"),
            ("approve/", request_changes.approve, "request_approve"),
            ("decline/", request_changes.decline, "request_decline"),
            ("withdraw/", request_changes.withdraw, "request_withdraw"),
            ("apply/", request_changes.apply, "request_apply"),
            ("comment/", request_changes.comment, "request_comment"),
        )
    ),
    path("clusters/<slug:name>/kubeconfig/", imports.cluster_kubeconfig, name="kubeconfig"),
]
