"""Addresses of applications, and of what runs of them in each environment."""

from django.urls import URLPattern, path

from apps.views import (
    adopting,
    applications,
    bin,
    changes,
    commands,
    config_actions,
    config_exchange,
    configurations,
    deploying,
    deployments,
    healing,
    health,
    images,
    imports,
    logs,
    pods,
    publishing,
    releases,
    workloads,
)

app_name = "apps"

TENANT = "tenants/<slug:tenant>/apps/"
APP = f"{TENANT}<slug:app>/"
WORKLOAD = f"{APP}in/<slug:environment>/"

urlpatterns: list[URLPattern] = [
    path("apps/", applications.everywhere, name="all"),
    # The words "new", "import", "bin", "images" are no names of applications (services.apps).
    path(TENANT, applications.app_list, name="list"),
    path(f"{TENANT}new/", applications.create, name="create"),
    path(f"{TENANT}import/", imports.import_apps, name="import"),
    path(f"{TENANT}images/", images.image_list, name="images"),
    path(f"{TENANT}images/<path:repository>/remove/<str:digest>/", images.remove, name="image_remove"),
    path(f"{TENANT}images/<path:repository>/", images.repository, name="image"),
    path(f"{TENANT}bin/", bin.bin_list, name="bin"),
    path(f"{TENANT}bin/<int:pk>/restore/", bin.restore, name="bin_restore"),
    path(f"{TENANT}bin/<int:pk>/empty/", bin.empty, name="bin_empty"),
    path(f"{TENANT}adopt/<slug:environment>/", adopting.adopt, name="adopt"),
    path(APP, applications.detail, name="detail"),
    path(f"{APP}edit/", applications.edit, name="edit"),
    path(f"{APP}remove/", applications.remove, name="remove"),
    path(f"{APP}releases/", releases.release_list, name="releases"),
    path(f"{APP}releases/new/", publishing.publish, name="publish"),
    path(f"{APP}releases/<int:number>/", releases.release, name="release"),
    path(WORKLOAD, workloads.workload, name="workload"),
    path(f"{WORKLOAD}deploy/", deploying.deploy, name="deploy"),
    path(f"{WORKLOAD}preview/", deploying.preview, name="preview"),
    path(f"{WORKLOAD}deployments/", deployments.deployment_list, name="deployments"),
    path(f"{WORKLOAD}deployments/<int:number>/", deployments.deployment, name="deployment"),
    path(f"{WORKLOAD}scale/", changes.scale, name="scale"),
    path(f"{WORKLOAD}stop/", changes.stop, name="stop"),
    path(f"{WORKLOAD}start/", changes.start, name="start"),
    path(f"{WORKLOAD}restart/", changes.restart, name="restart"),
    path(f"{WORKLOAD}undo/", changes.undo, name="undo"),
    path(f"{WORKLOAD}remove/", changes.remove, name="workload_remove"),
    path(f"{WORKLOAD}pins/<int:pk>/lift/", changes.pin_lift, name="pin_lift"),
    path(f"{WORKLOAD}pods/", pods.pod_list, name="pods"),
    path(f"{WORKLOAD}pods/<str:pod>/", pods.pod, name="pod"),
    path(f"{WORKLOAD}events/", pods.events, name="events"),
    path(f"{WORKLOAD}logs/", logs.logs, name="logs"),
    path(f"{WORKLOAD}logs/download/", logs.download, name="log_download"),
    path(f"{WORKLOAD}command/", commands.command, name="command"),
    path(f"{WORKLOAD}health/", health.health, name="health"),
    path(f"{WORKLOAD}health/panel/", health.panel, name="health_panel"),
    path(f"{APP}config/", configurations.of_app, name="configurations"),
    path(f"{WORKLOAD}config/", configurations.config, name="config"),
    path(f"{WORKLOAD}config/compare/", configurations.compare, name="config_compare"),
    path(f"{WORKLOAD}config/copy/", config_actions.copy, name="config_copy"),
    path(f"{WORKLOAD}config/import/", config_exchange.import_config, name="config_import"),
    path(f"{WORKLOAD}config/<int:number>/export/", config_exchange.export, name="config_export"),
    path(f"{WORKLOAD}config/<int:number>/publish/", config_actions.publish, name="config_publish"),
    path(f"{WORKLOAD}config/<int:number>/stage/", config_actions.stage, name="config_stage"),
    path(f"{WORKLOAD}config/<int:number>/<slug:action>/", config_actions.act, name="config_act"),
    path(f"{WORKLOAD}healing/", healing.decisions, name="healing"),
    path(f"{WORKLOAD}healing/consent/", healing.consent, name="healing_consent"),
    path(f"{WORKLOAD}healing/<int:pk>/", healing.decide, name="healing_decide"),
]
