"""Pods of applications as an API server gives them."""

import json

from clusters.manifests.workload_labels import APP_LABEL, CONFIG_ANNOTATION, RELEASE_LABEL
from clusters.observing.pods import pods_in


def raw_pod(name="web-1", app="web", namespace="retail-dev", *, release="1", ready=True, **more):
    """A running pod. `waiting`, `last`: reasons of its container; `restarts`, `leaving`, `node`, `phase`, `config`."""
    state = (
        {"waiting": {"reason": more["waiting"], "message": "why"}} if "waiting" in more else {"running": {}}
    )
    last = {"terminated": {"reason": more["last"], "exitCode": 137}} if "last" in more else {}
    metadata = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "resourceVersion": more.get("version", "10"),
        "labels": {APP_LABEL: app, RELEASE_LABEL: release, "other": "label"},
        "annotations": {CONFIG_ANNOTATION: more.get("config", "")},
    }
    if more.get("leaving"):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "metadata": metadata,
        "spec": {"nodeName": more.get("node", "w1"), "containers": [{"name": "web"}]},
        "status": {
            "phase": more.get("phase", "Running"),
            "startTime": "2026-01-01T00:00:00Z",
            "conditions": more.get("conditions", [{"type": "Ready", "status": "True" if ready else "False"}]),
            "containerStatuses": [
                {
                    "name": "web",
                    "ready": ready,
                    "restartCount": more.get("restarts", 0),
                    "state": state,
                    "lastState": last,
                }
            ],
        },
    }


def pod_list(*pods, version="100", more=""):
    """A list's page as bytes."""
    metadata = {"resourceVersion": version, **({"continue": more} if more else {})}
    return json.dumps({"kind": "PodList", "metadata": metadata, "items": pods}).encode()


def event_line(kind, pod):
    return json.dumps({"type": kind, "object": pod}, separators=(",", ":")).encode()


def seen(*pods):
    """As the mirror has them."""
    return pods_in(pod_list(*pods)).items
