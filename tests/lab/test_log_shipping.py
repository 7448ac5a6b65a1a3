"""Lines of a real cluster's pods in the portal's own store: after the pod is gone, over a stop of the store, for their
tenant alone. One lab of two hosts for the whole file.
"""

import contextlib
import json
import threading
from contextlib import ExitStack
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.db import connections
from django.test import override_settings
from django.utils import timezone

from apps.adapters.victorialogs import VictoriaLogs
from apps.errors import LogStoreUnreachable
from apps.loglines.query import Query
from apps.models import App, Workload
from apps.selectors import log_places
from apps.selectors.kubernetes_logs import KubernetesLogs
from apps.selectors.logs import store_for
from apps.services import log_program
from clusters import access
from clusters.adapters.kubernetes import KubernetesClient, SignIn
from clusters.bundle import locations
from clusters.errors import ClusterRefused, ResourceNotFound
from clusters.lab import hosts as lab_hosts
from clusters.manifests import log_shipping as rights
from clusters.models import Cluster, Environment
from clusters.selectors import log_shipping
from clusters.services import cluster_secrets, deployment
from kcloud_site.operations.models import LogLine, State
from kcloud_site.tenants.services import tenants
from tests.clusters.control_plane import ANYWHERE, free_port
from tests.clusters.environments import ask, give_quota, newest
from tests.databases import using
from tests.lab.test_deploy import VERSION, _enrol, carry_out, on, planned, total_changed
from tests.operations.processes import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
LAB, SUBNET, GATEWAY = "t-shipping", "172.31.236.0/24", "172.31.236.1"
IMAGE = "kcloud.local/shop-web:1.0"
UNIT = "kcloud-log-shipper.service"
SCRIPT = """
import itertools, os, time
for n in itertools.count():
    print(os.environ["NAME"], n, flush=True)
    time.sleep(0.1)
"""


def pod(name, namespace):
    container = {
        "name": "app",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/usr/bin/python3.11", "-u", "-c", SCRIPT],
        "env": [{"name": "NAME", "value": name}],
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    metadata = {"name": name, "namespace": namespace, "labels": {"kcloud.local/app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@contextlib.contextmanager
def running_store():
    """The portal's own store, as `manage.py logs run` keeps it."""
    supervisor = log_program.Supervisor()

    def run():
        try:
            supervisor.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        until(lambda: log_places.heard("nobody") is not None, 60)
        yield
    finally:
        supervisor.stop.set()
        thread.join(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal with its store, a cluster of one master and one worker deployed with it, and two tenants on it."""
    if not (locations.bundle_directory(VERSION) / "bin/kcloud-log-shipper").exists():
        pytest.skip(
            f"no release bundle {VERSION} with a log shipper: manage.py bundle build --version {VERSION}"
        )
    folder, port = tmp_path_factory.mktemp("portal"), free_port()
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(using(f"sqlite:///{folder}/portal.sqlite3"))
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=2, prefix="s", subnet=SUBNET)
        stack.callback(lab_hosts.down, name=LAB)
        told = {"LOGS_ADDRESSES": [f"127.0.0.1:{port}"], "LOGS_HOME": folder / "logs"}
        stack.enter_context(override_settings(**told))
        log_program.add_address(f"{GATEWAY}:{port}")
        site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab), port=port, workloads={})
        site.store = ExitStack()
        site.store.enter_context(running_store())
        stack.callback(lambda: site.store.close())
        cluster = planned(site, "shared", ["s1"], ["s2"])
        site.deployed = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
        assert site.deployed.state == State.SUCCEEDED, site.deployed.failure
        site.cluster = Cluster.objects.get(name="shared")
        for name in ("retail", "logistics"):
            tenant = tenants.create_tenant(name=name, title=name.title(), by=site.by)
            give_quota(tenant)
            made = ask(tenant, site.cluster, by=site.by)
            assert carry_out(newest(made)).state == State.SUCCEEDED
            environment = Environment.objects.select_related("cluster", "tenant").get(pk=made.pk)
            app = App.objects.create(tenant=tenant, name="web")
            site.workloads[name] = Workload.objects.create(tenant=tenant, app=app, environment=environment)
        yield site


def deploy_again(site):
    operation = carry_out(deployment.deploy_cluster(cluster=site.cluster, by=site.by))
    assert operation.state == State.SUCCEEDED, operation.failure
    site.cluster.refresh_from_db()
    return operation


def start(site, name, pod_name):
    environment = site.workloads[name].environment
    access.kubernetes_for(environment).apply(pod(pod_name, environment.namespace))


def lines(site, name, pod_name=""):
    """What the portal's page would read, as texts in order."""
    query = Query(
        limit=5000, oldest_first=True, since=int((timezone.now() - timedelta(hours=1)).timestamp() * 1e9)
    )
    page = store_for(site.workloads[name]).read(query)
    return [line.text for line in page.lines if not pod_name or line.pod == pod_name]


def test_the_shipper_runs_as_nobody_and_only_root_reads_its_secrets(site):
    assert on(site, "s2", f"systemctl is-active {UNIT}").strip() == "active"
    pid = on(site, "s2", f"systemctl show -p MainPID --value {UNIT}").strip()
    uid = on(site, "s2", f"stat -c %u /proc/{pid}").strip()
    assert int(uid) > 60000
    told = on(site, "s2", "stat -c '%a %u' /etc/kubernetes/log-shipper.*").split("\n")
    assert told[:2] == ["600 0", "600 0"]
    password = log_places.password_file(site.folder / "logs").read_text()
    assert password not in on(site, "s2", f"cat /proc/{pid}/cmdline /etc/systemd/system/{UNIT}")
    said = "\n".join(LogLine.objects.filter(operation=site.deployed).values_list("text", flat=True))
    assert "Lines of 1 nodes arrive in the store." in said
    assert password not in said + json.dumps(site.deployed.inputs)
    assert log_shipping.shipping(site.cluster, ["s2"]).is_well


def test_its_account_knows_pods_and_nothing_else(site):
    secrets = cluster_secrets.everything(site.cluster)
    sign_in = SignIn(secrets["ca.crt"], secrets["log-shipper.crt"], secrets["log-shipper.key"])
    client = KubernetesClient(site.cluster.endpoints, sign_in, ANYWHERE)
    assert client.get("/api/v1/pods", limit=1)["items"]
    for path in (
        "/api/v1/namespaces",
        "/api/v1/secrets",
        "/api/v1/nodes",
        "/api/v1/namespaces/default/pods/x/log",
    ):
        with pytest.raises(ClusterRefused) as refused:
            client.get(path)
        assert refused.value.reason == "Forbidden"
    with pytest.raises(ClusterRefused) as refused:
        client.delete("/api/v1/namespaces/kube-system/pods/x")
    assert refused.value.reason == "Forbidden"


def test_lines_outlive_their_pod_and_are_its_tenants_alone(site):
    start(site, "retail", "short")
    start(site, "logistics", "other")
    until(lambda: len(lines(site, "retail", "short")) > 20 and lines(site, "logistics", "other"), 90)
    client = access.kubernetes_for(site.cluster)
    client.delete("/api/v1/namespaces/retail-dev/pods/short")
    until(lambda: not client.get("/api/v1/namespaces/retail-dev/pods")["items"], 60)
    assert not KubernetesLogs(site.workloads["retail"]).read(Query()).lines
    until(lambda: is_whole(lines(site, "retail"), "short"), 30)
    assert len(lines(site, "retail")) > 20
    assert all(text.startswith("other ") for text in lines(site, "logistics"))
    url = log_places.portal_url()
    strange = VictoriaLogs(url, cluster="another", namespace="retail-dev", app="web").read(Query())
    assert not strange.lines


def test_what_is_written_while_the_store_is_away_arrives_afterwards(site):
    start(site, "retail", "long")
    until(lambda: lines(site, "retail", "long"), 90)
    site.store.close()
    with pytest.raises(LogStoreUnreachable):
        lines(site, "retail")
    assert not log_shipping.shipping(site.cluster, ["s2"]).answers
    before = count(site)
    until(lambda: count(site) > before + 30, 30)
    site.store.enter_context(running_store())
    written = count(site)
    until(lambda: len(lines(site, "retail", "long")) > written, 60)
    until(lambda: is_whole(lines(site, "retail", "long"), "long"), 30)


def is_whole(texts, name):
    """Every line from the first one on, once and in order."""
    return texts == [f"{name} {n}" for n in range(len(texts))]


def count(site):
    """How many lines the pod `long` has written, as the node knows."""
    return int(on(site, "s2", "cat /var/log/pods/retail-dev_long_*/app/0.log | wc -l"))


def test_a_second_deployment_changes_nothing(site):
    assert total_changed(deploy_again(site)) == 0


def test_without_the_store_the_next_deployment_takes_the_shipper_away(site):
    with override_settings(LOGS_ADDRESSES=[]):
        deploy_again(site)
        assert "not-found" in on(site, "s2", f"systemctl show -p LoadState {UNIT}")
        left = on(
            site,
            "s2",
            "ls -d /etc/kubernetes/log-shipper* /var/lib/kcloud-log* /var/lib/private/* 2>&1; true",
        )
        assert [line for line in left.splitlines() if "cannot access" not in line] == []
        client = access.kubernetes_for(site.cluster)
        for path in rights.paths():
            with pytest.raises(ResourceNotFound):
                client.get(path)
    assert log_shipping.shipping(site.cluster, ["s2"]) is None
    # The store may be there again: this cluster does not ship to it.
    assert isinstance(store_for(site.workloads["retail"]), KubernetesLogs)
