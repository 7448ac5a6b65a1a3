"""How a configuration revision is tried on some pods before the others get it. Pure.

Of a Deployment: a second one beside it with the same release and labels, so that the Service leads requests to its
pods, too; one label more tells them apart. Of a StatefulSet, whose pods have volumes and names of their own: the
StatefulSet itself, whose partition holds the new pods to the highest ordinals.
"""

from __future__ import annotations

from typing import Any

from apps.manifests.workload import Place, Settings, workload
from apps.specs.spec import Spec
from clusters.manifests.workload_labels import TRIAL_LABEL


def trial_name(app: str) -> str:
    """Of the second Deployment."""
    return f"{app}-trial"


def trial(spec: Spec, place: Place, settings: Settings, pods: int) -> dict[str, Any]:
    """What to apply so that `pods` of the application's pods run with these settings."""
    made = workload(spec, place, settings)
    if spec.kind == "StatefulSet":
        made["spec"]["updateStrategy"] = {
            "type": "RollingUpdate",
            "rollingUpdate": {"partition": partition(place.replicas, pods)},
        }
        return made
    made["metadata"]["name"] = trial_name(place.app)
    made["metadata"]["labels"][TRIAL_LABEL] = "true"
    made["spec"]["replicas"] = pods
    made["spec"]["selector"]["matchLabels"][TRIAL_LABEL] = "true"
    made["spec"]["template"]["metadata"]["labels"][TRIAL_LABEL] = "true"
    return made


def partition(replicas: int, pods: int) -> int:
    """From which ordinal on the pods of a StatefulSet get what is new: the highest `pods` of them."""
    return max(0, replicas - pods)
