"""F7: processor time to mirror one pod from a list, and of a watch, with 10,000 pods as an API server writes them.

Peers on the same bytes in the same run: the official client's typed models, the standard library's json and msgspec
without structs (as fast as orjson), each picking the same fields. Ours: clusters.observing.pods into a PodMirror.
"""

import json
import statistics
import time

import msgspec
from kubernetes.client import ApiClient

from clusters.manifests.workload_labels import APP_LABEL, RELEASE_LABEL, SLOT_LABEL
from clusters.observing.pods import PodMirror, event_in, pods_in
from tests.bench.paired import report

COUNT, TYPED = 10_000, 500
ROUNDS = 5
SINCE = "2026-01-01T00:00:00Z"


def raw_pod(number):
    """A pod of a Deployment with everything that server and kubelet add: some 3 kB."""
    name = f"web-6d4cf56db6-{number:05}"
    fields = {f'k:{{"type":"{kind}"}}': {".": {}, "f:status": {}, "f:type": {}} for kind in CONDITIONS}
    managed = {
        "manager": "kubelet",
        "operation": "Update",
        "apiVersion": "v1",
        "time": SINCE,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": {"f:conditions": fields, "f:containerStatuses": {}, "f:phase": {}}},
        "subresource": "status",
    }
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": "web-6d4cf56db6",
        "uid": "1",
        "controller": True,
    }
    probe = {
        "httpGet": {"path": "/readyz", "port": 8080, "scheme": "HTTP"},
        "timeoutSeconds": 3,
        "periodSeconds": 2,
    }
    container = {
        "name": "web",
        "image": "kcloud.local/shop-web:1.0",
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [{"name": f"SETTING_{each}", "value": "some value"} for each in range(4)],
        "resources": {"limits": {"memory": "96Mi"}, "requests": {"cpu": "20m", "memory": "48Mi"}},
        "readinessProbe": probe,
        "livenessProbe": probe,
        "terminationMessagePath": "/dev/termination-log",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False},
    }
    return {
        "metadata": {
            "name": name,
            "generateName": "web-6d4cf56db6-",
            "namespace": f"retail-{number % 20}",
            "uid": f"0f1e2d3c-0000-4000-8000-{number:012}",
            "resourceVersion": str(100_000 + number),
            "creationTimestamp": SINCE,
            "labels": {
                APP_LABEL: f"app-{number % 200}",
                RELEASE_LABEL: "3",
                SLOT_LABEL: "blue",
                "pod-template-hash": "6d4cf56db6",
            },
            "ownerReferences": [owner],
            "managedFields": [managed],
        },
        "spec": {
            "containers": [container],
            "nodeName": f"n{number % 100}",
            "schedulerName": "default-scheduler",
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": SINCE}
                for kind in CONDITIONS
            ],
            "hostIP": "10.0.0.1",
            "podIP": "10.244.1.2",
            "podIPs": [{"ip": "10.244.1.2"}],
            "startTime": SINCE,
            "containerStatuses": [
                {
                    "name": "web",
                    "state": {"running": {"startedAt": SINCE}},
                    "lastState": {},
                    "ready": True,
                    "restartCount": 0,
                    "image": "kcloud.local/shop-web:1.0",
                    "imageID": "sha256:" + "a" * 64,
                    "containerID": "containerd://" + "b" * 64,
                    "started": True,
                }
            ],
        },
    }


CONDITIONS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


def pod_list(count):
    items = [raw_pod(number) for number in range(count)]
    page = {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "9"}, "items": items}
    return json.dumps(page, separators=(",", ":")).encode()


def picked(items):
    """What a mirror keeps, from plain dictionaries."""
    kept = {}
    for pod in items:
        metadata, status = pod["metadata"], pod["status"]
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status["conditions"])
        restarts = sum(each["restartCount"] for each in status["containerStatuses"])
        key = metadata["namespace"], metadata["labels"][APP_LABEL]
        row = (metadata["uid"], pod["spec"]["nodeName"], status["phase"], ready, restarts)
        kept.setdefault(key, {})[metadata["name"]] = row
    return kept


def by_kcloud(data):
    mirror = PodMirror()
    mirror.replace(pods_in(data).items)
    return mirror


class Answer:
    """As the official client's deserializer wants it."""

    def __init__(self, data):
        self.data = data


def by_official_client(data):
    client = ApiClient()
    found = client.deserialize(Answer(data.decode()), "V1PodList")
    return {pod.metadata.name: pod.status.phase for pod in found.items}


def microseconds(work, count):
    """Processor time of one pod, the median of some rounds after an unmeasured one."""
    work()
    found = []
    for _round in range(ROUNDS):
        began = time.process_time()
        work()
        found.append((time.process_time() - began) / count * 1e6)
    return statistics.median(found)


def test_f7():
    data, few = pod_list(COUNT), pod_list(TYPED)
    assert len(by_kcloud(data)) == COUNT
    ours = microseconds(lambda: by_kcloud(data), COUNT)
    peers = {
        "the official client's models": microseconds(lambda: by_official_client(few), TYPED),
        "json into dictionaries": microseconds(lambda: picked(json.loads(data)["items"]), COUNT),
        "msgspec into dictionaries": microseconds(lambda: picked(msgspec.json.decode(data)["items"]), COUNT),
    }
    for name, theirs in peers.items():
        report(
            "F7",
            f"processor time to mirror one of 10 k pods; peer: {name}",
            f"{theirs:.0f} µs",
            f"{ours:.1f} µs",
            f"{theirs / ours:.0f}×",
        )


def test_f7_watch():
    """The share of a core that a watch of 10 k pods takes when each pod changes once in ten minutes."""
    lines = [
        json.dumps({"type": "MODIFIED", "object": raw_pod(number)}, separators=(",", ":")).encode()
        for number in range(COUNT)
    ]
    mirror = by_kcloud(pod_list(COUNT))

    def events():
        for line in lines:
            mirror.take(event_in(line))
        mirror.changes()

    each = microseconds(events, COUNT)
    report(
        "F7",
        "watch of 10 k pods, 17 changes a second",
        "",
        f"{each:.1f} µs an event",
        f"{each * 17 / 1e4:.2f} % of a core",
    )
