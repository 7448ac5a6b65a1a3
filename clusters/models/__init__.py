"""Regions, hosts, release bundles, clusters with their plans and nodes, and the environments tenants have on them."""

from clusters.models.environments import Environment
from clusters.models.infrastructure import (
    Bundle,
    Cluster,
    ClusterSecret,
    Credential,
    Host,
    Membership,
    Node,
    PlanRevision,
    PreflightCheck,
    Region,
)

__all__ = [
    "Bundle",
    "Cluster",
    "ClusterSecret",
    "Credential",
    "Environment",
    "Host",
    "Membership",
    "Node",
    "PlanRevision",
    "PreflightCheck",
    "Region",
]
