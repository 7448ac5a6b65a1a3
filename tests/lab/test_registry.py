"""Images from the platform's own registry on a real cluster: a tenant's pods run what it pushed, and no other's.

One lab of two hosts; the portal answers for tokens as it does in service, the registry is the bundle's program.
"""

import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from wsgiref.simple_server import WSGIRequestHandler

import pytest
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.test import override_settings

from apps.adapters.oci_layouts import push_oci_layout
from apps.manifests.pull_secret import PULL_SECRET
from apps.services import images, pull_secrets, registry_places, registry_program
from apps.specs.images import parse_reference
from clusters import access
from clusters.bundle import locations
from clusters.lab import hosts as lab_hosts
from clusters.manifests import verification
from clusters.models import Environment
from clusters.services import deployment
from kcloud_site.operations.models import State
from kcloud_site.tenants.models import User
from kcloud_site.tenants.services import members, tenants
from tests.apps.registry.clients import site as as_seen_by
from tests.apps.registry.clients import token_of
from tests.apps.registry.conftest import free_port, wait_for
from tests.clusters.environments import ask, give_quota, newest
from tests.databases import using
from tests.lab.test_deploy import VERSION, _enrol, carry_out, on, planned
from tests.operations.processes import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LAB, SUBNET, GATEWAY = "t-registry", "172.31.238.0/24", "172.31.238.1"
HOST = "registry.kcloud.local:5000"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_words):
        pass


@contextmanager
def portal():
    """The portal's web process, in threads; answers its address."""
    application = get_wsgi_application()

    def answer(environ, start):
        try:
            return application(environ, start)
        finally:
            connections.close_all()

    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        # The first answer waits for all that a portal loads; on a busy machine longer than clients of a registry do.
        with urllib.request.urlopen(f"{address}/registry/ca.crt", timeout=120) as answer:
            assert answer.status == 200
        yield address
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def registry():
    """The registry's processes, under their supervisor."""
    supervisor = registry_program.Supervisor()

    def run():
        try:
            supervisor.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        for address in registry_places.addresses():
            wait_for(address)
        yield
    finally:
        supervisor.stop.set()
        thread.join(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal with its registry and a cluster of one master and one worker, and two tenants with an environment."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    if registry_program.find_program() is None:
        pytest.skip("the release bundle has no registry: build it again")
    folder = tmp_path_factory.mktemp("portal")
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        stack.enter_context(using(f"sqlite:///{folder}/portal.sqlite3"))
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=2, prefix="i", subnet=SUBNET)
        stack.callback(lab_hosts.down, name=LAB)
        told = {
            "REGISTRY_HOST": HOST,
            "REGISTRY_ADDRESSES": [f"127.0.0.1:{port}"],
            "REGISTRY_NODE_ADDRESS": "",
            "REGISTRY_HOME": Path(folder) / "registry",
            "REGISTRY_PORTAL": stack.enter_context(portal()),
        }
        stack.enter_context(override_settings(**told))
        registry_places.add_address(f"{GATEWAY}:{port}")
        stack.enter_context(registry())
        site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab), port=port, environments={})
        cluster = planned(site, "shared", ["i1"], ["i2"])
        operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
        assert operation.state == State.SUCCEEDED, operation.failure
        cluster.refresh_from_db()
        for name in ("retail", "logistics"):
            tenant = tenants.create_tenant(name=name, title=name.title(), by=site.by)
            give_quota(tenant)
            made = ask(tenant, cluster, by=site.by)
            assert carry_out(newest(made)).state == State.SUCCEEDED
            site.environments[name] = Environment.objects.select_related("cluster", "tenant").get(pk=made.pk)
        yield site


def developer(tenant):
    person = User.objects.create_user(f"{tenant.name}-developer", password="a-long-password")
    members.add_member(tenant=tenant, user=person, role="developer", by=None)
    return person


def pod(name, namespace, image):
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "Always",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "32Mi"},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "imagePullSecrets": [{"name": PULL_SECRET}],
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
        },
    }


def hello():
    """The bundle's hello image as a file."""
    return locations.bundle_directory(VERSION) / "images" / "hello.tar"


def waiting(client, path):
    status = client.get(path).get("status") or {}
    each = (status.get("containerStatuses") or [{}])[0]
    return ((each.get("state") or {}).get("waiting") or {}).get("reason", "")


def test_a_worker_trusts_the_registry_at_the_address_it_reaches(site):
    told = on(site, "i2", f"cat /etc/containerd/certs.d/{HOST}/hosts.toml")
    assert f'server = "https://{GATEWAY}:{site.port}"' in told
    assert "BEGIN CERTIFICATE" in on(site, "i2", f"cat /etc/containerd/certs.d/{HOST}/ca.crt")


def test_a_pod_runs_what_its_tenant_pushed_and_not_what_another_did(site):
    pinned = {}
    for name, environment in site.environments.items():
        person = developer(environment.tenant)
        secret = token_of(person)
        wanted = f"{HOST}/{name}/hello:1"
        seen = as_seen_by(registry_places.addresses()[0], person, secret)
        push_oci_layout(hello(), parse_reference(wanted), seen)
        pinned[name], _digest = images.resolve_image(wanted, tenant=environment.tenant, by=person)
    retail = site.environments["retail"]
    client = access.kubernetes_for(retail)
    assert pull_secrets.ensure_pull_secret(environment=retail)

    namespace = f"/api/v1/namespaces/{retail.namespace}/pods"
    client.apply(pod("own", retail.namespace, pinned["retail"]))
    until(lambda: verification.is_ready(client.get(f"{namespace}/own")), 90)

    client.apply(pod("foreign", retail.namespace, pinned["logistics"]))
    until(lambda: waiting(client, f"{namespace}/foreign") in ("ErrImagePull", "ImagePullBackOff"), 60)
    events = client.list(f"/api/v1/namespaces/{retail.namespace}/events")
    said = " ".join(str(each.get("message")) for each in events)
    assert "logistics/hello" in said
    assert "authorization" in said.lower() or "denied" in said.lower() or "insufficient" in said.lower()
