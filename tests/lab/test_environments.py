"""Environments of two tenants on a real cluster: what each may do, what it may not, and that it stays so.

One lab of three hosts for the whole file; the tests are steps of one story and run in this order: a cluster is
deployed, environments are made on it, used, changed by hand and repaired, frozen, and removed.
"""

import base64
import json
from types import SimpleNamespace

import pytest
from django.core.management import call_command

from clusters import access
from clusters.bundle import locations
from clusters.errors import ClusterRefused
from clusters.lab import hosts as lab_hosts
from clusters.manifests import verification
from clusters.models import Cluster, Environment
from clusters.services import deployment, environment_watch, environments
from kcloud_site.operations.models import State
from kcloud_site.tenants.services import tenants
from tests.clusters.environments import GIB, ask, give_quota, newest
from tests.databases import using
from tests.lab.test_deploy import VERSION, _enrol, carry_out, on, planned
from tests.operations.processes import until

pytestmark = pytest.mark.lab

LAB, SUBNET = "t-environments", "172.31.247.0/24"
NAMES = {"retail": "dev", "logistics": "dev"}
POLICIES = "/apis/networking.k8s.io/v1/namespaces/retail-dev/networkpolicies"
QUOTA = "/api/v1/namespaces/retail-dev/resourcequotas/kcloud-share"
# On a node: whether a TCP connection comes about from the network of a pod.
CONNECT = """
import ctypes, glob, socket, sys
uid, address, port = sys.argv[1:]
marks = (uid, uid.replace("-", "_"))
own = next(path for path in glob.glob("/proc/[0-9]*/cgroup") if any(mark in open(path).read() for mark in marks))
with open(own.replace("cgroup", "ns/net")) as space:
    assert ctypes.CDLL(None).setns(space.fileno(), 0x40000000) == 0
try:
    socket.create_connection((address, int(port)), timeout=2)
    print("open")
except OSError:
    print("closed")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal of its own with a cluster of one master and two workers, and two tenants."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=3, prefix="v", subnet=SUBNET)
        try:
            site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
            cluster = planned(site, "shared", ["v1"], ["v2", "v3"])
            operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
            assert operation.state == State.SUCCEEDED, operation.failure
            yield site
        finally:
            lab_hosts.down(name=LAB)


@pytest.fixture
def admin(site):
    return access.kubernetes_for(Cluster.objects.get(name="shared"))


def environment(tenant):
    return Environment.objects.select_related("tenant", "cluster").get(tenant__name=tenant)


def inside(tenant):
    """The portal as the account of that tenant's environment."""
    return access.kubernetes_for(environment(tenant))


def pod(tenant, name, node="", **security):
    pattern = next(each for each in verification.objects(["any"]) if each["kind"] == "Pod")
    (container,) = pattern["spec"]["containers"]
    container["securityContext"] |= security
    container["resources"] = {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}}
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if node:
        spec["nodeSelector"] = {"kubernetes.io/hostname": node}
    metadata = {"name": name, "namespace": f"{tenant}-dev", "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def pods(tenant):
    return f"/api/v1/namespaces/{tenant}-dev/pods"


def refusal(act, *arguments):
    with pytest.raises(ClusterRefused) as refused:
        act(*arguments)
    assert refused.value.status == 403
    return refused.value.why


def running(client, path):
    until(lambda: verification.is_ready(client.get(path)), 90)
    return client.get(path)


def test_two_tenants_get_an_environment_each(site):
    cluster = Cluster.objects.get(name="shared")
    for name, title in (("retail", "Retail"), ("logistics", "Logistics")):
        tenant = tenants.create_tenant(name=name, title=title, by=site.by)
        give_quota(tenant)
        made = ask(tenant, cluster, by=site.by)
        operation = carry_out(newest(made))
        assert operation.state == State.SUCCEEDED, operation.failure
        assert environment(name).state == "ready"


def test_each_account_works_in_its_own_namespace_and_in_no_other(site, admin):
    for tenant, node in (("retail", "v2"), ("retail", "v3"), ("logistics", "v2"), ("logistics", "v3")):
        inside(tenant).apply(pod(tenant, f"on-{node}", node))
    for tenant in NAMES:
        for node in ("v2", "v3"):
            running(inside(tenant), f"{pods(tenant)}/on-{node}")
    assert inside("retail").get_bytes(f"{pods('retail')}/on-v2/log") == b""
    for path in (
        pods("logistics"),
        "/api/v1/namespaces/logistics-dev/secrets",
        "/api/v1/namespaces/kube-system/secrets",
        "/api/v1/nodes",
        "/api/v1/namespaces",
    ):
        assert "forbidden" in refusal(inside("retail").get, path)
    assert "forbidden" in refusal(inside("retail").apply, pod("logistics", "intruder"))
    assert "forbidden" in refusal(inside("retail").delete, f"{POLICIES}/kcloud-default-deny")


def test_neighbours_do_not_reach_each_other_and_each_reaches_its_own(site, admin):
    found = {
        (tenant, node): admin.get(f"{pods(tenant)}/on-{node}") for tenant in NAMES for node in ("v2", "v3")
    }
    places = {place: each["status"]["podIP"] for place, each in found.items()}

    def reach(source, address, port=8080):
        uid = found[source]["metadata"]["uid"]
        script = base64.b64encode(CONNECT.encode()).decode()
        return on(site, source[1], f"echo {script} | base64 -d | python3 - {uid} {address} {port}").strip()

    def across():
        return {reach(mine, places[theirs]) for mine in places for theirs in places if mine[0] != theirs[0]}

    until(lambda: across() == {"closed"}, 60)
    for tenant in NAMES:
        until(lambda tenant=tenant: reach((tenant, "v2"), places[tenant, "v3"]) == "open", 30)
        until(lambda tenant=tenant: reach((tenant, "v3"), "10.96.0.10", 53) == "open", 30)
        assert reach((tenant, "v2"), "10.96.0.1", 443) == "closed"
        assert reach((tenant, "v2"), site.lab.host("v1").address, 22) == "closed"
    # What keeps them apart are the walls, and repairing puts them up again.
    for tenant in NAMES:
        for name in ("kcloud-default-deny", "kcloud-openings"):
            admin.delete(f"/apis/networking.k8s.io/v1/namespaces/{tenant}-dev/networkpolicies/{name}")
    until(lambda: across() == {"open"}, 60)
    environment_watch.look_after(cluster_pk=environment("retail").cluster_id)
    for tenant in NAMES:
        assert carry_out(newest(environment(tenant))).state == State.SUCCEEDED
    until(lambda: across() == {"closed"}, 60)


def test_pods_that_want_too_much_are_refused(site):
    assert "PodSecurity" in refusal(
        inside("retail").apply, pod("retail", "root", privileged=True, allowPrivilegeEscalation=True)
    )
    assert "PodSecurity" in refusal(inside("retail").apply, pod("retail", "any", runAsNonRoot=False))
    greedy = pod("retail", "greedy")
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"memory": str(3 * GIB)}}
    assert "exceeded quota" in refusal(inside("retail").apply, greedy)


def test_use_is_seen_as_the_cluster_counts_it(site):
    environment_watch.look_after(cluster_pk=environment("retail").cluster_id)
    seen = environment("retail")
    assert (seen.state, seen.used["pods"], seen.used["cpu"]) == ("ready", 2, 20)


def test_what_hands_change_is_seen_and_put_right(site, admin):
    admin.delete(f"{POLICIES}/kcloud-default-deny")
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "kcloud-share"}}
    body["spec"] = {"hard": {"pods": "1000"}}
    admin._call("PATCH", QUOTA, {"fieldManager": "somebody", "force": "true"}, json.dumps(body).encode())
    environment_watch.look_after(cluster_pk=environment("retail").cluster_id)
    seen = {each["name"]: each for each in environment("retail").drift}
    assert {name: each["what"] for name, each in seen.items()} == {
        "kcloud-default-deny": "missing",
        "kcloud-share": "changed",
    }
    assert seen["kcloud-share"]["by"].startswith("somebody, ")
    repair = carry_out(newest(environment("retail")))
    assert (repair.kind, repair.state) == (environments.REPAIR, State.SUCCEEDED), repair.failure
    assert admin.get(f"{POLICIES}/kcloud-default-deny")["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert admin.get(QUOTA)["spec"]["hard"]["pods"] == "10"
    environment_watch.look_after(cluster_pk=environment("retail").cluster_id)
    assert (environment("retail").state, environment("retail").drift) == ("ready", [])


def test_frozen_what_runs_goes_on_and_nothing_more_starts(site, admin):
    operation = carry_out(environments.freeze_environment(environment=environment("retail"), by=site.by))
    assert operation.state == State.SUCCEEDED, operation.failure
    until(lambda: admin.get(QUOTA)["status"]["hard"]["pods"] == "2", 30)
    assert "exceeded quota" in refusal(admin.apply, pod("retail", "late"))
    until(lambda: _is_forbidden(inside("retail").delete, f"{pods('retail')}/on-v2"), 15)
    assert verification.is_ready(inside("retail").get(f"{pods('retail')}/on-v2"))
    thawed = carry_out(environments.thaw_environment(environment=environment("retail"), by=site.by))
    assert thawed.state == State.SUCCEEDED, thawed.failure
    until(lambda: admin.get(QUOTA)["status"]["hard"]["pods"] == "10", 30)
    until(lambda: not _is_forbidden(inside("retail").apply, pod("retail", "after")), 15)


def _is_forbidden(act, *arguments):
    try:
        act(*arguments)
    except ClusterRefused as refused:
        return refused.status == 403
    return False


def test_removed_nothing_is_left_and_the_neighbour_goes_on(site, admin):
    retail = environment("retail")
    operation = environments.remove_environment(environment=retail, by=site.by, confirm_name="retail-dev")
    assert carry_out(operation).state == State.SUCCEEDED, operation.failure
    assert "retail-dev" not in {each["metadata"]["name"] for each in admin.list("/api/v1/namespaces")}
    for path in ("/api/v1/pods", "/apis/rbac.authorization.k8s.io/v1/rolebindings"):
        assert not [each for each in admin.list(path) if each["metadata"]["namespace"] == "retail-dev"]
    assert not Environment.objects.filter(tenant__name="retail").exists()
    assert verification.is_ready(inside("logistics").get(f"{pods('logistics')}/on-v2"))
    environment_watch.look_after(cluster_pk=environment("logistics").cluster_id)
    assert environment("logistics").state == "ready"
