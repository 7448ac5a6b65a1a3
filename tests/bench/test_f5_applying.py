"""F5: objects applied a second, new ones and once more unchanged, on a real API server with its etcd.

Peers, in the same run: `kubectl apply` and `kubectl apply --server-side`, both from the bundle, each with one file of
all objects. Ours: the adapter's `apply_all`, as the portal's own processes call it. Each turn is a new namespace.
"""

import itertools
import json
import statistics
import subprocess
import time

import pytest

from clusters.kubeconfigs.kubeconfig import Kubeconfig, render
from tests.bench.paired import Ratio, report
from tests.clusters import control_plane as real

pytestmark = pytest.mark.lab
PAIRS = 3
_turn = itertools.count()


@pytest.fixture(scope="module")
def plane():
    folder = real.binaries()
    if folder is None:
        pytest.skip(f"no release bundle {real.VERSION}: manage.py bundle build {real.VERSION}")
    with real.running(folder) as running:
        yield running


@pytest.fixture(scope="module")
def kubectl(plane, tmp_path_factory):
    home = tmp_path_factory.mktemp("kubectl")
    config = Kubeconfig(
        name="bench",
        server=plane.url,
        certificate_authority=plane.sign_in.certificate_authority,
        client_certificate=plane.sign_in.certificate,
        client_key=plane.sign_in.key,
    )
    (home / "config").write_text(render(config))
    (home / "config").chmod(0o600)

    def run(*words):
        command = [real.binaries() / "kubectl", f"--kubeconfig={home / 'config'}", *words]
        subprocess.run(command, check=True, capture_output=True, env={"HOME": str(home)})

    run.home = home
    return run


def objects(namespace, count):
    """Deployments, Services and ConfigMaps, as an application has them."""
    labels = {"app.kubernetes.io/managed-by": "kcloud"}
    for number in range(count // 3):
        name = f"app-{number}"
        metadata = {"name": name, "namespace": namespace, "labels": {**labels, "app": name}}
        container = {"name": "web", "image": "kcloud.local/shop-web:1.0", "ports": [{"containerPort": 8080}]}
        pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
        yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value " * 20}}
        spec = {"selector": {"app": name}, "ports": [{"port": 8080}]}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": pod}
        yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def prepared(plane, count):
    """Objects in a namespace of their own."""
    namespace = f"bench-{next(_turn)}"
    plane.client().apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    return list(objects(namespace, count))


def by_kubectl(plane, kubectl, count, *options):
    wanted = prepared(plane, count)
    path = kubectl.home / "objects.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted}))
    began = time.perf_counter()
    kubectl("apply", *options, "-f", str(path))
    return time.perf_counter() - began


def by_kcloud(plane, client, count):
    wanted = prepared(plane, count)
    began = time.perf_counter()
    assert len(client.apply_all(wanted)) == len(wanted)
    return time.perf_counter() - began


@pytest.mark.parametrize("count", [300, 999])
@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["apply", "server-side"])
def test_f5(plane, kubectl, count, options):
    client = plane.client()
    by_kcloud(plane, client, 30)
    by_kubectl(plane, kubectl, 30, *options)
    ratio = Ratio([], [])
    for _pair in range(PAIRS):
        ratio.peer.append(by_kubectl(plane, kubectl, count, *options))
        ratio.ours.append(by_kcloud(plane, client, count))
    report(
        "F5",
        f"{count} objects applied; peer: kubectl apply {' '.join(options)}".strip(),
        f"{count / statistics.median(ratio.peer):.0f} a second",
        f"{count / statistics.median(ratio.ours):.0f} a second",
        f"{ratio.median:.1f}× (worst {ratio.worst:.1f}×)",
    )
