"""What the layers below tell: one line each, from clusters.signals to a service."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from apps.services import observing
from clusters.signals import pods_changed


@receiver(pods_changed)
def pods_changed_on_a_cluster(*, cluster_pk: int, pods: observing.Pods, whole: bool, **_more: Any) -> None:
    """Workloads learn how their pods are."""
    observing.record_pods(cluster_pk=cluster_pk, pods=pods, whole=whole)
