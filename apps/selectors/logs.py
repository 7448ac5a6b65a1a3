"""Which store answers for a workload's log lines: VictoriaLogs when KCLOUD_LOGS_URL names one, else its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from apps.adapters.victorialogs import VictoriaLogs
from apps.loglines.store import LogStore
from apps.selectors.kubernetes_logs import KubernetesLogs

if TYPE_CHECKING:
    from apps.models import Workload


def store_for(workload: Workload, *, previous: bool = False) -> LogStore:
    """The store of a workload's lines. The log before a container's last restart is asked of the cluster: a store keeps
    both without telling them apart."""
    if not settings.LOGS_URL or previous:
        return KubernetesLogs(workload)
    return VictoriaLogs(
        settings.LOGS_URL,
        cluster=workload.environment.cluster.name,
        namespace=workload.environment.namespace,
        app=workload.app.name,
    )
