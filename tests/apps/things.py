"""Applications for tests: a release without a registry, a cluster in memory whose controllers act at once."""

from __future__ import annotations

import copy

from apps.models import App, Release
from apps.specs.reading import parse
from apps.specs.spec import as_json
from clusters.adapters.answers import path_of
from kcloud_site.operations import runner
from kcloud_site.operations.models import Operation
from tests.clusters.environments import give_quota, make
from tests.clusters.fake_kubernetes import FakeKubernetes
from tests.clusters.kube_objects import make_cluster

IMAGE = "registry.example/retail/web@sha256:" + "a" * 64
BAD_IMAGE = "registry.example/retail/gone@sha256:" + "b" * 64


def web_spec(image=IMAGE, **changed):
    """One container behind a Service."""
    container = {"name": "web", "image": image, "ports": [{"name": "http", "port": 8080}]}
    return {"containers": [container], "service": {"ports": [{"name": "http", "port": 80}]}, **changed}


def make_app(tenant, name="web", **values):
    return App.objects.create(tenant=tenant, name=name, **values)


def make_release(app, version="1.0", spec=None, **values):
    number = app.releases.count() + 1
    stored = as_json(parse(spec or web_spec()))
    return Release.objects.create(
        tenant_id=app.tenant_id, app=app, number=number, version=version, spec=stored, **values
    )


def make_environment(monkeypatch, tenant, name="dev", **values):
    """A ready environment on a cluster in memory, and that cluster."""
    fake = FakeControllers()
    monkeypatch.setattr("clusters.access.kubernetes_for", lambda place, **_options: fake)
    give_quota(tenant)
    return make(tenant, make_cluster("shared"), name, **values), fake


def carry_out(deployment):
    """Run the operation of a deployment to its end; answers the deployment as it is then."""
    runner.run(deployment.operation_id)
    deployment.refresh_from_db()
    return deployment


def operation_of(deployment):
    return Operation.objects.get(pk=deployment.operation_id)


class FakeControllers(FakeKubernetes):
    """A cluster whose Deployments and StatefulSets have their pods at once; images in `bad` never run.

    `quota`: how many pods there may be; None: any number."""

    def __init__(self) -> None:
        super().__init__()
        self.bad: set[str] = set()
        # Configuration revisions under which no pod runs.
        self.bad_configs: set[str] = set()
        self.quota: int | None = None

    def apply(self, obj, force=True, dry_run=False):
        kept = super().apply(obj, force, dry_run)
        if not dry_run and obj["kind"] in ("Deployment", "StatefulSet"):
            return self._control(obj)
        return kept

    def patch(self, path, changes, dry_run=False):
        kept = super().patch(path, changes, dry_run)
        if dry_run:
            return kept
        if "/deployments/" in path or "/statefulsets/" in path:
            return self._control(kept)
        return kept

    def delete(self, path, uid="", grace=None):
        was_there = path in self.objects
        super().delete(path, uid, grace)
        kind = path.rsplit("/", 2)[-2]
        if was_there and kind in ("deployments", "statefulsets"):
            namespace = path.split("/namespaces/")[1].partition("/")[0]
            self._forget_pods(namespace, path.rsplit("/", 1)[-1])

    def watch(self, path, resource_version="", timeout=300.0, **selectors):
        yield from super().watch(path, resource_version, 0.0, **selectors)

    def _control(self, obj):
        metadata, spec = obj["metadata"], obj["spec"]
        # Below its partition, the pods of a StatefulSet stay as they are.
        strategy = (self.objects[path_of(obj)]["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        self._forget_pods(metadata["namespace"], metadata["name"], strategy.get("partition", 0))
        wanted, image = spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]
        config = (spec["template"]["metadata"].get("annotations") or {}).get("kcloud.local/config")
        works = image not in self.bad and config not in self.bad_configs
        made = wanted if self.quota is None else min(wanted, self.quota)
        for number in range(made):
            if f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}-{number}" in self.objects:
                continue
            self._make_pod(metadata, spec["template"], f"{metadata['name']}-{number}", works)
        good = made if works else 0
        conditions = []
        if made < wanted:
            conditions.append(
                {
                    "type": "ReplicaFailure",
                    "status": "True",
                    "reason": "FailedCreate",
                    "message": "exceeded quota",
                }
            )
        status = {
            "observedGeneration": 0,
            "replicas": made,
            "updatedReplicas": made,
            "readyReplicas": good,
            "availableReplicas": good,
            "conditions": conditions,
        }
        place = path_of(obj)
        self.objects[place]["status"] = status
        return copy.deepcopy(self.objects[place])

    def _make_pod(self, metadata, template, name, works):
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off"}
        container = {
            "name": "web",
            "ready": works,
            "restartCount": 0 if works else 5,
            "state": {"running": {}} if works else {"waiting": waiting},
            "lastState": {} if works else {"terminated": {"reason": "Error", "exitCode": 1}},
        }
        ready = {"type": "Ready", "status": "True" if works else "False"}
        self.objects[f"/api/v1/namespaces/{metadata['namespace']}/pods/{name}"] = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "uid": f"uid-{name}",
                "labels": dict(template["metadata"]["labels"]),
                "annotations": dict(template["metadata"].get("annotations") or {}),
            },
            "spec": {"nodeName": "w1", **copy.deepcopy(template["spec"])},
            "status": {"phase": "Running", "conditions": [ready], "containerStatuses": [container]},
        }

    def _forget_pods(self, namespace, owner, kept=0):
        """All pods but the first `kept` ones."""
        for name in [name for name in self.objects if f"/namespaces/{namespace}/pods/" in name]:
            whose, _dash, ordinal = name.rsplit("/", 1)[-1].rpartition("-")
            if whose == owner and (not ordinal.isdigit() or int(ordinal) >= kept):
                del self.objects[name]
