from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AppsConfig(AppConfig):
    name = "apps"
    verbose_name = _("Applications")

    def ready(self) -> None:
        # Importing the jobs registers their operation kinds, importing the receivers connects them.
        from apps import jobs, receivers, sealed_columns  # noqa: F401
        from apps.selectors import log_places, places
        from apps.services import healing_nodes, registry_places
        from clusters.selectors import log_shipping
        from clusters.services import node_loss, node_registries
        from kcloud_site.webhooks.places import know

        sealed_columns.tell()
        node_loss.answer_for_workloads(healing_nodes.OWNER)
        node_registries.know(registry_places.for_nodes)
        log_shipping.know(log_shipping.Keeper(log_places.for_nodes, log_places.heard))
        know("apps.workload", places.of_workloads)
        know("apps.configrevision", places.of_revisions)
        know("apps.release", places.of_releases)
        know("apps.app", places.of_apps)
        know("apps.deploymentrequest", places.of_requests)
