"""The second set of pods on which a configuration revision is tried before the others get it. Pure.

Same release, same labels, so that the Service leads requests to them, too; one label more tells them apart.
"""

from __future__ import annotations

from typing import Any

from apps.manifests.workload import Place, Settings, workload
from apps.specs.spec import Spec
from clusters.manifests.workload_labels import TRIAL_LABEL


def trial_name(app: str) -> str:
    """Of the Deployment."""
    return f"{app}-trial"


def trial(spec: Spec, place: Place, settings: Settings, pods: int) -> dict[str, Any]:
    """The Deployment: `pods` of the application's pods with these settings."""
    made = workload(spec, place, settings)
    made["metadata"]["name"] = trial_name(place.app)
    made["metadata"]["labels"][TRIAL_LABEL] = "true"
    made["spec"]["replicas"] = pods
    made["spec"]["selector"]["matchLabels"][TRIAL_LABEL] = "true"
    made["spec"]["template"]["metadata"]["labels"][TRIAL_LABEL] = "true"
    return made


def share_of(replicas: int, percent: int) -> int:
    """How many pods that is: at least one, at most all."""
    return max(1, min(replicas, round(replicas * percent / 100)))
