"""Deployments without hosts and without an API server: Ansible and Kubernetes as a deployment's services see them."""

import json

from clusters.adapters import ansible
from clusters.adapters.answers import path_of
from clusters.bundle.manifest import Manifest, ManifestFile
from clusters.models import Cluster
from clusters.services import deployment
from kcloud_site.operations import runner
from tests.clusters.fake_kubernetes import FakeKubernetes


class FakeAnsible:
    """`run_playbook` without hosts: every host succeeds with one change, unless told to fail in a step."""

    def __init__(self):
        self.runs = []
        self.failing = {}
        self.changes = ("wrote a file",)
        self.before = lambda tag: None

    def run_playbook(self, playbook, *, inventory, variables, hosts, tags, on_event, cancelled, **rest):
        ansible.refuse_keys(variables)
        (tag,) = tags
        self.runs.append({"playbook": playbook, "tag": tag, "hosts": list(hosts), "told": variables, **rest,
                          "inventory": inventory})  # fmt: skip
        self.before(tag)
        failed = []
        for host in hosts:
            on_event(ansible.Event("started", host, "task"))
            failure = self.failing.get((tag, host))
            if failure:
                failed.append(host)
                kind = "unreachable" if failure["code"] == "unreachable" else "failed"
                on_event(ansible.Event(kind, host, "task", failure=failure))
            else:
                changes = () if tag == "verify" else self.changes
                on_event(ansible.Event("done", host, "task", bool(changes), changes))
        return ansible.Result(tuple(set(hosts) - set(failed)), tuple(failed), cancelled())

    def hosts_of(self, tag):
        return [run["hosts"] for run in self.runs if run["tag"] == tag]


class ReadyKubernetes(FakeKubernetes):
    """An API server whose nodes, DNS and pods are ready at once."""

    def apply(self, obj, force=True, dry_run=False):
        kept = super().apply(obj, force, dry_run)
        if dry_run:
            return kept
        kept = self.objects[path_of(obj)]
        if kept["kind"] == "Service":
            kept["spec"].setdefault("clusterIP", f"10.96.3.{len(self.objects)}")
        if kept["kind"] == "Pod":
            kept["metadata"]["uid"] = f"uid-of-{kept['metadata']['name']}"
            kept.setdefault("status", {})["podIP"] = "10.244.9.9"
        if kept["kind"] in ("Pod", "Node"):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            kept["status"] = {**kept.get("status", {}), **ready}
        if kept["kind"] == "Deployment":
            kept["status"] = {"readyReplicas": kept["spec"]["replicas"]}
        return json.loads(json.dumps(kept))

    def delete(self, path):
        self.deleted = [*getattr(self, "deleted", []), path]
        self.objects = {name: obj for name, obj in self.objects.items() if not name.startswith(path)}


def manifest():
    def file(path, kind, component):
        return ManifestFile(path, kind, component, "1.14.7", "Apache-2.0", 10, "0" * 64, "x@1")

    rows = [
        *(
            file(f"bin/{name}", "binary", name)
            for name in ("etcd", "kube-apiserver", "kubelet", "kube-proxy", "kcloud-log-shipper")
        ),
        file("debs/bookworm-amd64/Packages", "package-index", "debian"),
        file("images/coredns.tar", "image", "coredns"),
    ]
    return Manifest("1.34.4", "2026-01-01T00:00:00Z", "linux", "amd64", "bookworm", tuple(rows))


def deploy(cluster, operator, **options):
    operation = deployment.deploy_cluster(cluster=cluster, by=operator, **options)
    return carry_out(operation)


def carry_out(operation):
    runner.run(operation.pk)
    operation.refresh_from_db()
    Cluster.objects.get(pk=operation.subject_id)
    return operation
