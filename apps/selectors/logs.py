"""Which store answers for a workload's log lines: VictoriaLogs when its cluster's lines go there, else the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.adapters.victorialogs import VictoriaLogs
from apps.loglines.store import LogStore
from apps.selectors import log_places
from apps.selectors.kubernetes_logs import KubernetesLogs
from clusters.models import Cluster
from clusters.selectors import log_shipping

if TYPE_CHECKING:
    from apps.models import Workload


def store_for(workload: Workload, *, previous: bool = False) -> LogStore:
    """The store of a workload's lines. The log before a container's last restart is asked of the cluster: a store keeps
    both without telling them apart."""
    cluster = workload.environment.cluster
    url = "" if previous else log_places.portal_url()
    if not url or not _is_kept(cluster):
        return KubernetesLogs(workload)
    return VictoriaLogs(
        url, cluster=cluster.name, namespace=workload.environment.namespace, app=workload.app.name
    )


def _is_kept(cluster: Cluster) -> bool:
    """A cluster of ours ships since it was deployed with the store. On an imported one somebody else has to run the
    shipper: it is asked whether one is heard of."""
    if cluster.origin == Cluster.Origin.IMPORTED:
        return bool(log_places.heard(cluster.name))
    return log_shipping.ships(cluster)
