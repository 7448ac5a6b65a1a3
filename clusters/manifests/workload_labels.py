"""The labels by which everything in a cluster tells which application, environment and release it belongs to. Pure.

Here and not in `apps`, because what watches a cluster (pods, lost nodes) needs them too and lies below.
"""

from __future__ import annotations

from clusters.manifests.environment import MANAGED_BY, NAME_LABEL, TENANT_LABEL

__all__ = [
    "APP_LABEL",
    "CONFIG_ANNOTATION",
    "MANAGED_BY",
    "NAME_LABEL",
    "RELEASE_LABEL",
    "RESTART_ANNOTATION",
    "SLOT_LABEL",
    "TENANT_LABEL",
    "TRIAL_LABEL",
    "VARIABLES_ANNOTATION",
]

# On every object of an application.
APP_LABEL = "kcloud.local/app"
# On pods: the number of the release they run, so that a list of pods tells old from new.
RELEASE_LABEL = "kcloud.local/release"
# On pods: which of two sets of pods they are in (apps.models.Workload.Slot); the Service leads to one of them.
SLOT_LABEL = "kcloud.local/slot"
# On pods: the number of the configuration revision they started with.
CONFIG_ANNOTATION = "kcloud.local/config"
# On the pod template: changing it restarts the pods one after another.
RESTART_ANNOTATION = "kcloud.local/restarted-at"
# On the pod template of an application that reads its files again: when its variables changed last.
VARIABLES_ANNOTATION = "kcloud.local/variables"
# On pods that try a configuration revision before the others get it.
TRIAL_LABEL = "kcloud.local/trial"
