"""Regions, hosts, release bundles, clusters with their plans and nodes, tenants' environments and requests."""

from clusters.models.environments import Environment
from clusters.models.fencing import FencingMethod
from clusters.models.healing import NodeDecision
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
from clusters.models.requests import RequestComment, TenantRequest

__all__ = [
    "Bundle",
    "Cluster",
    "ClusterSecret",
    "Credential",
    "Environment",
    "FencingMethod",
    "Host",
    "Membership",
    "Node",
    "NodeDecision",
    "PlanRevision",
    "PreflightCheck",
    "Region",
    "RequestComment",
    "TenantRequest",
]
