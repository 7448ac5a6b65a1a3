"""What real clusters said about real troubles, kept as files: made by tests/lab/test_diagnoses.py."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

FOLDER = Path(__file__).parent / "facts"
# Nothing is diagnosed by these.
_NOISE = frozenset(
    {
        *("managedFields", "resourceVersion", "generation", "observedGeneration", "selfLink", "generateName"),
        *("containerID", "imageID", "allocatedResources", "qosClass", "hostIP", "hostIPs", "podIP", "podIPs"),
        *(
            "reportingComponent",
            "reportingInstance",
            "source",
            "ownerReferences",
            "annotations",
            "apiVersion",
        ),
        *("terminationMessagePath", "terminationMessagePolicy", "schedulerName", "dnsPolicy", "priority"),
        *("serviceAccount", "serviceAccountName", "preemptionPolicy", "enableServiceLinks", "strategy"),
        *("revisionHistoryLimit", "progressDeadlineSeconds", "lastProbeTime", "volumeMounts", "template"),
        *("automountServiceAccountToken", "securityContext", "internalTrafficPolicy", "sessionAffinity"),
        *("ipFamilies", "ipFamilyPolicy", "clusterIP", "clusterIPs", "creationTimestamp", "nodeInfo"),
    }
)


def write(folder, name, codes, facts):
    """Keep the facts about one application, with what is to be said of them."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    content = _plain(asdict(facts))
    content["events"] = [
        each for each in content["events"] if each["involvedObject"]["name"].startswith(name)
    ]
    services = [each["metadata"]["name"] for each in content["services"]]
    content["slices"] = [
        each
        for each in content["slices"]
        if each["metadata"]["labels"].get("kubernetes.io/service-name") in services
    ]
    kept = {"codes": sorted(codes), "facts": content}
    Path(folder, f"{name}.json").write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def read(name):
    """(the codes to be named, the facts as JSON)."""
    kept = json.loads((FOLDER / f"{name}.json").read_text())
    return kept["codes"], kept["facts"]


def names():
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items() if key not in _NOISE}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
