from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AppsConfig(AppConfig):
    name = "apps"
    verbose_name = _("Applications")

    def ready(self) -> None:
        # Importing the jobs registers their operation kinds, importing the receivers connects them.
        from apps import jobs, receivers, sealed_columns  # noqa: F401
        from apps.services import healing_nodes, registry_places
        from clusters.services import node_loss, node_registries

        sealed_columns.tell()
        node_loss.answer_for_workloads(healing_nodes.OWNER)
        node_registries.know(registry_places.for_nodes)
