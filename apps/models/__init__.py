"""Applications, their releases, the workloads that run them in environments, and what was deployed when."""

from apps.models.applications import App
from apps.models.approvals import DeploymentRequest
from apps.models.configurations import ConfigRevision
from apps.models.deployments import Deployment, Pin
from apps.models.healing import HealingConsent, HealingDecision, Rung
from apps.models.pods import SeenPods
from apps.models.registry import RegistryCredential, RegistrySecret
from apps.models.releases import Release
from apps.models.workloads import Workload

__all__ = [
    "App",
    "ConfigRevision",
    "Deployment",
    "DeploymentRequest",
    "HealingConsent",
    "HealingDecision",
    "Pin",
    "RegistryCredential",
    "RegistrySecret",
    "Release",
    "Rung",
    "SeenPods",
    "Workload",
]
