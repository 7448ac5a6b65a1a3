"""Taking over a cluster by its kubeconfig, and handing one out: everything or nothing, and all of it
written down."""

import base64
import json
import socket
from collections import deque
from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from django.urls import reverse
from django.utils import timezone

from clusters import access
from clusters.adapters.kubernetes import KubernetesClient
from clusters.deploying import pki
from clusters.errors import (
    AddressRefused,
    ClusterRefused,
    ClusterUnreachable,
    KubeconfigRefused,
    ValueRefused,
)
from clusters.kubeconfigs import kubeconfig
from clusters.models import Cluster, ClusterSecret, Node, Region
from clusters.services import cluster_secrets, imports, kubeconfigs
from kcloud_site.audit.models import AuditEvent
from kcloud_site.outbound.addresses import AddressRule
from tests.clusters.control_plane import VERSION
from tests.clusters.fake_kubernetes import FakeKubernetes
from tests.clusters.hostile_api import HostileServer
from tests.clusters.kube_certificates import authority, client
from tests.clusters.kube_objects import make_cluster, raw_node
from tests.clusters.kubeconfigs.test_kubeconfig import EXPECTED, HOSTILE, filled

pytestmark = pytest.mark.django_db


def written(server, *, ca=None, certificate=None, key=None, token=""):
    config = kubeconfig.Kubeconfig(
        "ctx",
        server,
        ca or authority().certificate,
        b"" if token else certificate or client().certificate,
        b"" if token else key or client().key,
        token,
    )
    return kubeconfig.render(config)


def api(*nodes, version="v1.34.4+k3s1", status=200):
    """An API server that says just enough."""

    def answer(handler):
        body = {"gitVersion": version} if handler.path == "/version" else {"items": list(nodes)}
        handler.reply(status, json.dumps(body).encode())

    return HostileServer(answer)


def take(operator, text, *, name="taken", allow_internal=True, region=None):
    return imports.import_cluster(
        name=name, region=region, text=text, allow_internal=allow_internal, by=operator
    )


@pytest.fixture
def nothing_is_left():
    """Whatever was refused left no row behind."""
    yield
    assert not Cluster.objects.filter(name="taken").exists()
    assert not ClusterSecret.objects.exists()
    assert not Node.objects.exists()
    assert not AuditEvent.objects.exists()


# --- taken ---------------------------------------------------------------------------------------


def test_an_imported_cluster_is_ready_with_its_nodes_and_an_audit_event(operator):
    region = Region.objects.create(name="east")
    with api(raw_node("w1"), raw_node("w2", ready="False")) as server:
        found = take(operator, written(server.url), region=region)
    assert (found.state, found.origin, found.version) == ("ready", "imported", "1.34.4")
    assert (found.health, found.health_reason) == ("degraded", "1 of 2 nodes not ready: w2.")
    assert found.endpoints == [server.url]
    assert found.region == region
    assert sorted(found.nodes.values_list("name", flat=True)) == ["w1", "w2"]
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.object_name) == ("cluster.import", "operator", "taken")
    assert event.after["nodes"] == 2


def test_its_access_is_sealed_and_works_again_later(operator):
    with api(raw_node("w1")) as server:
        found = take(operator, written(server.url, token="very-secret-token"))
        sealed = bytes(ClusterSecret.objects.get().sealed)
        assert b"very-secret-token" not in sealed
        assert access.kubernetes_for(found).version() == "v1.34.4+k3s1"
        assert server.requests[-1][2]["authorization"] == "Bearer very-secret-token"
    assert "very-secret-token" not in json.dumps(list(AuditEvent.objects.values("after", "reason")))
    access.forget(found.pk)


@pytest.mark.lab
def test_a_real_cluster_is_imported(operator, control_plane):
    sign_in = control_plane.sign_in
    control_plane.client().apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "imported-node"}})
    text = written(
        control_plane.url, ca=sign_in.certificate_authority, certificate=sign_in.certificate, key=sign_in.key
    )
    found = take(operator, text)
    assert found.version == VERSION
    assert found.nodes.filter(name="imported-node").exists()
    control_plane.client().delete("/api/v1/nodes/imported-node")
    access.forget(found.pk)


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.stem)
def test_a_hostile_kubeconfig_leaves_nothing_and_talks_to_nobody(
    path, operator, nothing_is_left, monkeypatch
):
    monkeypatch.setattr(imports, "own_networks", lambda: (ip_network("198.51.100.0/24"),))
    monkeypatch.setattr(socket, "socket", _no_socket)
    monkeypatch.setattr(socket, "getaddrinfo", _no_socket)
    with pytest.raises(KubeconfigRefused) as caught:
        take(operator, filled(path.read_bytes()), allow_internal=False)
    assert caught.value.code == EXPECTED[path.name][0]


def _no_socket(*_arguments, **_options):
    raise AssertionError("nobody may be talked to")


@pytest.mark.parametrize("name", ["new", "import", "", "Has-Capitals", "a_b", "-a", "a" * 41, "../etc"])
def test_a_name_that_cannot_be_is_refused_at_its_field(name, operator, nothing_is_left):
    with pytest.raises(ValueRefused) as caught:
        take(operator, written("https://203.0.113.1"), name=name)
    assert caught.value.field == "name"


def test_a_name_that_is_taken_is_refused_before_anybody_is_asked(operator):
    make_cluster("taken")
    with pytest.raises(ValueRefused) as caught:
        take(operator, written("https://203.0.113.1"))
    assert caught.value.field == "name"
    assert Cluster.objects.count() == 1


def test_the_same_api_server_is_not_imported_twice(operator):
    make_cluster("first", endpoints=["https://203.0.113.1:6443"])
    with pytest.raises(ValueRefused) as caught:
        take(operator, written("https://203.0.113.1:6443/"))
    assert caught.value.field == "kubeconfig"
    assert "first" in caught.value.what


def test_a_name_that_leads_inside_is_refused_at_connect(operator, nothing_is_left, monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 6443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    with pytest.raises(AddressRefused):
        take(operator, written("https://innocent.example.com"), allow_internal=False)


def test_the_portals_own_network_is_refused_unless_allowed(operator, nothing_is_left, monkeypatch):
    monkeypatch.setattr(imports, "own_networks", lambda: (ip_network("203.0.113.0/24"),))
    with pytest.raises(KubeconfigRefused) as caught:
        take(operator, written("https://203.0.113.9"), allow_internal=False)
    assert caught.value.code == "internal-address"


@pytest.mark.parametrize(
    ("server", "error"),
    [
        (lambda: api(status=401), ClusterRefused),
        (lambda: api(status=403), ClusterRefused),
        (lambda: api(status=500), ClusterRefused),
        (lambda: api(version="Apache/2.4"), ClusterUnreachable),
        (
            lambda: HostileServer(lambda handler: handler.reply(302, Location="https://203.0.113.1/")),
            ClusterRefused,
        ),
        (lambda: HostileServer(lambda handler: handler.reply(200, b"<html>")), ClusterUnreachable),
    ],
    ids=["401", "403", "500", "no version", "redirect", "html"],
)
def test_what_is_no_cluster_or_lets_nobody_in_leaves_nothing(server, error, operator, nothing_is_left):
    with server() as running, pytest.raises(error) as caught:
        take(operator, written(running.url))
    assert caught.value.remedy


def test_a_failure_in_the_middle_of_writing_leaves_nothing(operator, nothing_is_left, monkeypatch):
    def fail(**_options):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(imports.trail, "record", fail)
    with api(raw_node("w1")) as server, pytest.raises(RuntimeError):
        take(operator, written(server.url))


# --- the import page -----------------------------------------------------------------------------


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


def test_the_page_imports_and_leads_to_the_cluster(console):
    with api(raw_node("w1")) as server:
        data = {"name": "taken", "kubeconfig": written(server.url), "allow_internal": "on"}
        answer = console.post(reverse("clusters:import"), data)
    assert answer.status_code == 303
    assert answer.url == reverse("clusters:detail", args=["taken"])


@pytest.mark.parametrize(
    "path", [path for path in HOSTILE if path.suffix == ".yaml"][::7], ids=lambda path: path.stem
)
def test_the_page_names_field_reason_and_remedy_and_never_shows_the_text_again(path, console):
    try:
        text = filled(path.read_bytes()).decode()
    except UnicodeDecodeError:
        pytest.skip("a form field cannot carry it")
    answer = console.post(reverse("clusters:import"), {"name": "taken", "kubeconfig": text})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'aria-invalid="true"' in page
    assert base64.b64encode(client().key).decode() not in page
    assert Cluster.objects.count() == 0


def test_the_page_speaks_of_the_address_at_the_box_that_allows_it(console, monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 6443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    data = {"name": "taken", "kubeconfig": written("https://innocent.example.com")}
    answer = console.post(reverse("clusters:import"), data)
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"allow_internal"}


def test_an_empty_form_names_both_fields(console):
    answer = console.post(reverse("clusters:import"), {})
    assert answer.status_code == 422
    assert answer.context["form"].errors.keys() == {"name", "kubeconfig"}


# --- kubeconfigs handed out ----------------------------------------------------------------------


def with_authority(cluster):
    pair = pki.make_authority("kcloud-ca", now=timezone.now())
    cluster_secrets.put_all(cluster, {"ca.crt": pair.certificate, "ca.key": pair.key})
    return pair


@pytest.fixture
def kube(monkeypatch):
    fake = FakeKubernetes()
    monkeypatch.setattr("clusters.access.kubernetes_for", lambda cluster, **_options: fake)
    return fake


def test_a_kubeconfig_names_its_owner_and_ends_within_a_day(operator, kube):
    cluster = make_cluster()
    pair = with_authority(cluster)
    config = kubeconfig.parse(
        kubeconfigs.issue_kubeconfig(cluster=cluster, by=operator, reason="night shift")
    )
    assert config.server == "https://203.0.113.1:6443"
    assert config.certificate_authority == pair.certificate
    found = x509.load_pem_x509_certificate(config.client_certificate)
    assert found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "kcloud:operator"
    assert found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "kcloud:operators"
    assert (found.not_valid_after_utc - timezone.now()).total_seconds() <= 86_400
    event = AuditEvent.objects.get()
    assert (event.action, event.reason, event.after["user"]) == (
        "cluster.kubeconfig",
        "night shift",
        "kcloud:operator",
    )
    assert "PRIVATE" not in json.dumps(event.after)


def test_its_group_is_bound_before_the_file_is_made(operator, kube):
    cluster = make_cluster()
    with_authority(cluster)
    kubeconfigs.issue_kubeconfig(cluster=cluster, by=operator)
    binding = kube.objects["/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kcloud:operators"]
    assert binding["subjects"][0]["name"] == "kcloud:operators"


@pytest.mark.parametrize(
    "values", [{"origin": "imported"}, {"state": "draft"}, {"state": "deploying"}, {"endpoints": []}]
)
def test_no_kubeconfig_is_made_for_what_is_not_ours_or_does_not_run(values, operator, kube):
    cluster = make_cluster(**values)
    with pytest.raises(kubeconfigs.KubeconfigUnavailable) as caught:
        kubeconfigs.issue_kubeconfig(cluster=cluster, by=operator)
    assert caught.value.remedy
    assert not AuditEvent.objects.exists()


def test_a_cluster_that_does_not_answer_gives_no_file_and_no_audit_event(operator, kube):
    cluster = make_cluster()
    with_authority(cluster)
    kube.down = ClusterUnreachable("The cluster's API server does not answer.")
    with pytest.raises(ClusterUnreachable):
        kubeconfigs.issue_kubeconfig(cluster=cluster, by=operator)
    assert not AuditEvent.objects.exists()


def test_the_download_is_a_file_nobody_keeps_and_needs_a_post(console, kube):
    with_authority(make_cluster())
    address = reverse("clusters:kubeconfig", args=["dev"])
    assert "24 hours" in console.get(address).content.decode()
    assert not AuditEvent.objects.exists()
    answer = console.post(address, {"reason": "look at pods"})
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer["Content-Disposition"] == 'attachment; filename="dev.kubeconfig"'
    assert kubeconfig.parse(answer.content).name == "dev"
    assert AuditEvent.objects.get().reason == "look at pods"


def test_a_refused_download_says_why_on_the_page(console, kube):
    make_cluster(origin="imported")
    text = console.get(reverse("clusters:kubeconfig", args=["dev"])).content.decode()
    assert "It was imported" in text
    assert console.post(reverse("clusters:kubeconfig", args=["dev"]), {}).status_code == 422


@pytest.mark.lab
def test_a_kubeconfig_opens_a_real_cluster_until_the_binding_is_deleted(operator, control_plane, monkeypatch):
    monkeypatch.setattr("clusters.access.kubernetes_for", lambda cluster, **_options: control_plane.client())
    monkeypatch.setattr(pki, "issue", lambda spec, _authority, **_options: _signed(control_plane, spec))
    cluster = make_cluster(endpoints=[control_plane.url])
    ca = control_plane.authority.certificate
    cluster_secrets.put_all(cluster, {"ca.crt": ca, "ca.key": b"unused"})
    config = kubeconfig.parse(kubeconfigs.issue_kubeconfig(cluster=cluster, by=operator))
    theirs = KubernetesClient([config.server], access.sign_in_of(config), AddressRule(allow_internal=True))
    assert theirs.list("/api/v1/namespaces")
    control_plane.client().delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kcloud:operators")
    # The authorizer hears of it by its own watch: soon, not at once.
    with pytest.raises(ClusterRefused) as caught:
        deque(iter(lambda: theirs.list("/api/v1/namespaces"), None), maxlen=0)
    assert caught.value.status == 403


def _signed(plane, spec):
    pair = plane.authority.sign(spec.common_name, group=spec.organization)
    return pki.KeyPair(pair.certificate, pair.key)
