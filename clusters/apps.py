from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ClustersConfig(AppConfig):
    name = "clusters"
    verbose_name = _("Clusters")

    def ready(self) -> None:
        # Importing the jobs registers their operation kinds.
        from clusters import jobs, sealed_columns  # noqa: F401
        from clusters.selectors import environments, neighbours
        from kcloud_site.operations import audit_pages
        from kcloud_site.webhooks.places import know

        audit_pages.know_neighbours("clusters.cluster", neighbours.of_cluster)
        audit_pages.know_neighbours("clusters.host", neighbours.of_host)
        know("clusters.environment", environments.places_of)
        sealed_columns.tell()
