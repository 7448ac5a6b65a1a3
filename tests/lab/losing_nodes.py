"""An application on a real cluster, a client that counts what fails, and waiting for it to be whole again: for the test
of lost nodes and for bench F2."""

import contextlib
import threading
import time
import urllib.error
import urllib.request

from clusters.manifests import verification
from tests.operations.processes import until

NAMESPACE = "shop"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
NODE_PORT = 30080


def objects(replicas, *, tolerated=None):
    """Namespace, Deployment and Service; `tolerated`: seconds its pods stay on a node that is not ready."""
    pod = next(each for each in verification.objects(["any"]) if each["kind"] == "Pod")
    spec = {**pod["spec"], "terminationGracePeriodSeconds": 5}
    for name in ("affinity", "tolerations"):
        spec.pop(name)
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {"kcloud.local/app": "web"}},
    }
    spec["topologySpreadConstraints"] = [spread]
    if tolerated is not None:
        spec["tolerations"] = [
            {
                "key": f"node.kubernetes.io/{why}",
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": tolerated,
            }
            for why in ("not-ready", "unreachable")
        ]
    labels = {"kcloud.local/app": "web"}
    namespaced = {"namespace": NAMESPACE, "name": "web", "labels": labels}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": namespaced,
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": namespaced,
            "spec": {
                "type": "NodePort",
                "selector": labels,
                "ports": [{"port": 80, "targetPort": verification.PORT, "nodePort": NODE_PORT}],
            },
        },
    ]


def ready_off(client, node=""):
    """How many pods are ready on other nodes than this one."""
    pods = client.list(PODS, labelSelector="kcloud.local/app=web")
    leaving = [each for each in pods if each["metadata"].get("deletionTimestamp")]
    return sum(
        verification.is_ready(each) and each not in leaving and each["spec"].get("nodeName") != node
        for each in pods
    )


def spread(client, replicas, *, tolerated=None):
    """The application on all nodes alike, every pod ready."""
    for each in objects(replicas, tolerated=tolerated):
        client.apply(each)
    until(lambda: ready_off(client) == replicas, 120)


def uids(client):
    return sorted(each["metadata"]["uid"] for each in client.list(PODS, labelSelector="kcloud.local/app=web"))


def whole_again(client, replicas, node, seconds):
    """Seconds until all replicas are ready on other nodes."""
    began = time.monotonic()
    until(lambda: ready_off(client, node) == replicas, seconds)
    return time.monotonic() - began


class Load:
    """A client that asks again and again through a node's port of the Service, and counts."""

    def __init__(self, address):
        self.url = f"http://{address}:{NODE_PORT}/"
        self.asked = self.failed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_error):
        self._stop.set()
        self._thread.join(10)

    def _run(self):
        while not self._stop.is_set():
            self.asked += 1
            try:
                with contextlib.closing(urllib.request.urlopen(self.url, timeout=1.0)) as answer:
                    answer.read()
            except (OSError, urllib.error.URLError):
                self.failed += 1
            self._stop.wait(0.05)
