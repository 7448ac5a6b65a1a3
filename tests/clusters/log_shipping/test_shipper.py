"""The shipper of the bundle: a real API server, a real store; files as the container runtime writes them."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.adapters.victorialogs import VictoriaLogs, shippers
from apps.errors import LogStoreUnreachable
from apps.loglines.query import Query
from apps.selectors import log_places
from apps.services import log_program
from clusters.deploying import pki
from clusters.deploying.log_store import LogStoreAddress
from clusters.manifests import log_shipping as rights
from tests.clusters import control_plane as real
from tests.clusters.control_plane import free_port
from tests.operations.processes import until

pytestmark = pytest.mark.lab
NODE, OTHER = "n2", "n1"


@pytest.fixture(scope="module")
def site(control_plane, tmp_path_factory):
    """A cluster of two nodes with a namespace each of two tenants, a store, and the shipper of the second node."""
    program = real.binaries() / "kcloud-log-shipper"
    if not program.exists():
        pytest.skip("the bundle is from before the shipper: manage.py bundle build")
    home, client = tmp_path_factory.mktemp("shipping"), control_plane.client()
    for name in (OTHER, NODE):
        client.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    for name in ("retail-dev", "logistics-dev"):
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        account = {"name": "default", "namespace": name}
        client.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    client.apply_all(rights.objects())
    (home / "files").mkdir()
    made = SimpleNamespace(plane=control_plane, client=client, home=home, program=program, stack=ExitStack())
    made.address, made.health = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    made.url = log_places.own_url(made.address, home / "store")
    made.shipper = made.stored = None
    with made.stack:
        made.stack.callback(stop, made, "stored")
        made.stack.callback(stop, made, "shipper")
        start_store(made)
        start_shipper(made)
        yield made


def start_store(site):
    command = log_program.command(log_program.find_program(), [site.address], site.home / "store", "30d")
    site.stored = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    until(lambda: heard(site) is not None, 30)


def start_shipper(site, user=rights.USER, is_there=None):
    pair = site.plane.authority.sign(user)
    key = pki.KeyPair(pair.certificate, pair.key)
    account = site.home / "kubeconfig"
    account.write_text(pki.kubeconfig(site.plane.url, site.plane.authority.certificate, key, user=user))
    store = LogStoreAddress(f"http://{site.address}")
    command = [
        site.program,
        f"-node={NODE}",
        "-cluster=shared",
        f"-kubeconfig={account}",
        f"-data={site.home / 'data'}",
        f"-listen={site.health}",
        f"-files={site.home / 'files'}",
        f"-remoteWrite.url={store.inserting}",
        f"-remoteWrite.basicAuth.username={log_places.USER}",
        f"-remoteWrite.basicAuth.passwordFile={log_places.password_file(site.home / 'store')}",
        "-remoteWrite.queues=1",
        "-remoteWrite.retryMaxTime=2s",
    ]
    with (site.home / "shipper.log").open("ab") as log:
        site.shipper = subprocess.Popen(command, stdout=log, stderr=log)
    until(lambda: is_there() if is_there else is_well(site), 30)


def stop(site, name):
    process = getattr(site, name)
    process.terminate()
    process.wait(20)


def is_well(site):
    with suppress(urllib.error.URLError, OSError):
        return urllib.request.urlopen(f"http://{site.health}/healthz", timeout=5).status == 200
    return False


def heard(site, cluster="shared"):
    with suppress(LogStoreUnreachable):
        return shippers(site.url, cluster)
    return None


def run_pod(site, name, *, namespace="retail-dev", node=NODE, container="c", app="web", text=()):
    """A pod of the node as its kubelet tells of it; answers the file of its lines."""
    labels = {"kcloud.local/app": app}
    spec = {
        "nodeName": node,
        "automountServiceAccountToken": False,
        "containers": [{"name": container, "image": "none"}],
    }
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    site.client.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    number = f"{name.replace('-', '')}1"
    path = site.home / "files" / f"{name}_{namespace}_{container}-{number}.log"
    write(path, *text)
    tell(site, name, namespace, container, number)
    return path


def tell(site, name, namespace, container, number):
    state = {
        "name": container,
        "containerID": f"containerd://{number}",
        "image": "none",
        "imageID": "",
        "ready": True,
        "restartCount": 0,
    }
    status = {"status": {"phase": "Running", "containerStatuses": [state]}}
    site.client.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", status)


def write(path, *texts, stream="stdout", kind="F"):
    with path.open("a") as file:
        for text in texts:
            file.write(f"{datetime.now(UTC).isoformat().replace('+00:00', 'Z')} {stream} {kind} {text}\n")


def read(site, *, namespace="retail-dev", app="web", cluster="shared", pod=""):
    query = Query(limit=1000, oldest_first=True, pods=(pod,) if pod else ())
    page = VictoriaLogs(site.url, cluster=cluster, namespace=namespace, app=app).read(query)
    return [line.text for line in page.lines]


def test_it_says_that_it_is_there(site):
    until(lambda: NODE in (heard(site) or {}), 30)
    assert set(heard(site)) == {NODE}
    assert datetime.now(UTC) - heard(site)[NODE] < timedelta(seconds=60)
    assert heard(site, "another") == {}


def test_lines_of_pods_from_before_and_after_its_start_arrive_in_order(site):
    path = run_pod(site, "order", text=[f"line {n}" for n in range(50)])
    until(lambda: len(read(site, pod="order")) == 50, 30)
    write(path, *(f"line {n}" for n in range(50, 80)))
    until(lambda: len(read(site, pod="order")) == 80, 30)
    assert read(site, pod="order") == [f"line {n}" for n in range(80)]


def test_pods_of_other_nodes_are_left_to_their_shippers(site):
    run_pod(site, "elsewhere", node=OTHER, text=["not mine"])
    run_pod(site, "mine", text=["mine"])
    until(lambda: read(site, pod="mine"), 30)
    assert read(site, pod="elsewhere") == []


def test_a_pod_cannot_write_into_another_tenants_log(site):
    forged = json.dumps(
        {
            "kubernetes.pod_namespace": "logistics-dev",
            "kubernetes.pod_labels.kcloud.local/app": "web",
            "kcloud.shipper": OTHER,
            "_msg": "forged",
            "_time": "2020-01-01T00:00:00Z",
        }
    )
    klog = "I0101 00:00:00.000000       1 main.go:1] as Kubernetes' own programs write"
    run_pod(site, "forger", text=[forged, klog])
    until(lambda: len(read(site, pod="forger")) == 2, 30)
    assert read(site, pod="forger") == [forged, klog]
    assert read(site, namespace="logistics-dev") == []
    assert set(heard(site)) == {NODE}


def test_lines_the_runtime_cut_are_whole_again_and_each_stream_for_itself(site):
    path = run_pod(site, "parts", text=["first"])
    write(path, "one ", kind="P")
    write(path, "an error", stream="stderr")
    write(path, "two ", kind="P")
    write(path, "three", "last")
    with path.open("a") as file:
        file.write("what a node that lost power left\n\n")
    write(path, "after")
    until(lambda: len(read(site, pod="parts")) == 5, 30)
    assert read(site, pod="parts") == ["first", "an error", "one two three", "last", "after"]


def test_a_line_longer_than_the_store_takes_is_cut(site):
    path = run_pod(site, "long", text=["short"])
    with path.open("a") as file:
        for _ in range(160):
            file.write(f"{datetime.now(UTC).isoformat().replace('+00:00', 'Z')} stdout P {'x' * 16_000}\n")
    write(path, "end", "after")
    until(lambda: len(read(site, pod="long")) == 3, 30)
    short, cut, _after = read(site, pod="long")
    # The portal cuts once more, and says so.
    assert (short, set(cut) - {"…"}) == ("short", {"x"})
    assert len(cut) > 1000


def test_a_new_container_of_the_same_pod_is_followed_too(site):
    path = run_pod(site, "again", text=["before"])
    until(lambda: read(site, pod="again"), 30)
    write(path.with_name("again_retail-dev_c-again2.log"), "afterwards")
    tell(site, "again", "retail-dev", "c", "again2")
    until(lambda: read(site, pod="again") == ["before", "afterwards"], 30)


def test_what_is_written_while_the_store_is_away_arrives_once(site):
    path = run_pod(site, "away", text=["0"])
    until(lambda: read(site, pod="away"), 30)
    stop(site, "stored")
    write(path, *map(str, range(1, 40)))
    # It reads on meanwhile, and keeps what it has read over its own end.
    until(lambda: read_so_far(site, path) == path.stat().st_size, 30)
    stop(site, "shipper")
    path.unlink()
    start_shipper(site)
    start_store(site)
    until(lambda: len(read(site, pod="away")) >= 40, 60)
    assert read(site, pod="away") == [str(n) for n in range(40)]


def read_so_far(site, path):
    """How far the shipper has come in the file."""
    folder = Path(f"/proc/{site.shipper.pid}")
    for link in (folder / "fd").iterdir():
        with suppress(OSError):
            if os.readlink(link) == str(path):
                return int((folder / "fdinfo" / link.name).read_text().split()[1])
    return 0


def test_it_goes_on_where_it_was_when_it_ended(site):
    path = run_pod(site, "resumed", text=["0", "1"])
    until(lambda: len(read(site, pod="resumed")) == 2, 30)
    stop(site, "shipper")
    write(path, "2", "3")
    start_shipper(site)
    until(lambda: len(read(site, pod="resumed")) >= 4, 30)
    assert read(site, pod="resumed") == ["0", "1", "2", "3"]


def test_an_account_without_the_rights_is_not_well_and_says_why(site):
    stop(site, "shipper")
    log = site.home / "shipper.log"
    before = log.stat().st_size
    start_shipper(
        site, "system:nobody-in-particular", lambda: b"the API answered 403" in log.read_bytes()[before:]
    )
    assert not is_well(site)
    stop(site, "shipper")
    start_shipper(site)


@pytest.mark.parametrize("missing", ["-node", "-cluster", "-kubeconfig", "-data"])
def test_without_what_it_needs_it_does_not_start(site, missing):
    words = [f"{name}=x" for name in ("-node", "-cluster", "-kubeconfig", "-data") if name != missing]
    done = subprocess.run([site.program, *words], capture_output=True, timeout=30, check=False)
    assert done.returncode != 0
    assert b"are needed" in done.stdout + done.stderr
