"""Releases on a real cluster: deployed, replaced, taken back, scaled, stopped, moved, removed and brought back.

One lab of two hosts for the whole file; the tests are steps of one story and run in this order.
"""

from types import SimpleNamespace

import pytest
from django.core.management import call_command

from apps.manifests.workload import Place, objects
from apps.models import App, Deployment, Pin, Workload
from apps.rollouts.strategy import BLUE_GREEN, RECREATE, Strategy
from apps.services import adopting, deployments
from apps.services import bin as bins
from apps.services.previewing import preview
from apps.specs.reading import parse
from clusters import access
from clusters.bundle import locations
from clusters.errors import ResourceNotFound
from clusters.lab import hosts as lab_hosts
from clusters.models import Environment
from clusters.observing.nodes import node_status
from clusters.services import deployment, observation
from kcloud_site.demo.sample import IMAGE
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.services import tenants
from tests.apps.things import make_release
from tests.clusters.environments import ask, give_quota, newest
from tests.databases import using
from tests.lab.test_deploy import VERSION, _enrol, carry_out, in_a_worker, planned
from tests.operations.processes import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

LAB, SUBNET = "t-releases", "172.31.245.0/24"
WEB = "/apis/apps/v1/namespaces/retail-dev/deployments/web"
PODS = "/api/v1/namespaces/retail-dev/pods"


@pytest.fixture(scope="module")
def site(tmp_path_factory, django_db_setup, django_db_blocker):
    """A portal of its own with a cluster of one master and one worker, and an environment of a tenant."""
    if not (locations.bundle_directory(VERSION) / "manifest.json").exists():
        pytest.skip(f"no release bundle {VERSION}: manage.py bundle build --version {VERSION}")
    folder = tmp_path_factory.mktemp("portal")
    with django_db_blocker.unblock(), using(f"sqlite:///{folder}/portal.sqlite3"):
        call_command("migrate", verbosity=0)
        lab = lab_hosts.up(name=LAB, hosts=2, prefix="r", subnet=SUBNET)
        try:
            site = SimpleNamespace(lab=lab, folder=folder, by=_enrol(lab))
            cluster = planned(site, "shared", ["r1"], ["r2"])
            operation = carry_out(deployment.deploy_cluster(cluster=cluster, by=site.by))
            assert operation.state == State.SUCCEEDED, operation.failure
            cluster.refresh_from_db()
            tenant = tenants.create_tenant(name="retail", title="Retail", by=site.by)
            give_quota(tenant)
            made = carry_out(newest(ask(tenant, cluster, by=site.by)))
            assert made.state == State.SUCCEEDED, made.failure
            site.tenant, site.app = tenant, App.objects.create(tenant=tenant, name="web")
            yield site
        finally:
            lab_hosts.down(name=LAB)


@pytest.fixture
def client(site):
    return access.kubernetes_for(Environment.objects.select_related("cluster", "tenant").get())


def spec(image=IMAGE, port=8080, **changed):
    """Our hello image; another `port` is one where nothing listens."""
    container = {
        "name": "web",
        "image": image,
        "ports": [{"name": "http", "port": 8080}],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        "probes": {"readiness": {"type": "http", "port": port, "path": "/healthz", "period": 1}},
        **changed,
    }
    return {
        "containers": [container],
        "service": {"ports": [{"name": "http", "port": 80}]},
        "run_as": 65532,
        "grace": 1,
    }


def release(site, version, **changed):
    return make_release(site.app, version, spec(**changed))


def ask_for(site, release, **values):
    environment = Environment.objects.select_related("cluster", "tenant").get()
    return deployments.deploy_release(
        app=site.app, environment=environment, release=release, by=site.by, **values
    )


def done(made):
    carry_out(Operation.objects.get(pk=made.operation_id))
    made.refresh_from_db()
    return made


def in_a_fresh_worker(operation):
    """A process that is forked must not write on this one's connections to the cluster."""
    access.forget(Environment.objects.get().cluster_id)
    return in_a_worker(operation)


def workload():
    rows = Workload.objects.select_related("app", "environment__cluster", "tenant", "release", "good_release")
    return rows.get()


def pods(client):
    return client.list(PODS, labelSelector="kcloud.local/app=web")


def test_a_release_runs_with_all_its_pods_behind_its_service(site, client):
    made = done(ask_for(site, release(site, "1.0"), replicas=2))
    assert made.state == "succeeded", made.reason
    now = workload()
    assert (now.state, now.observed["available"], len(pods(client))) == ("healthy", 2, 2)
    slices = "/apis/discovery.k8s.io/v1/namespaces/retail-dev/endpointslices"
    until(lambda: sum(len(each.get("endpoints") or []) for each in client.list(slices)) == 2, 30)


def previewed(site, version, replicas=None, **changed):
    whole = {
        name: changed.pop(name) for name in ("service", "kind", "volumes", "configuration") if name in changed
    }
    made = make_release(site.app, version, {**spec(**changed), **whole})
    environment = Environment.objects.select_related("cluster", "tenant").get()
    return preview(app=site.app, environment=environment, release=made, replicas=replicas)


def codes(found, level):
    return {each.problem.code for each in found.findings if each.level == level}


def look_at_nodes(cluster):
    nodes = access.kubernetes_for(cluster).list("/api/v1/nodes")
    observation.replace_nodes(cluster_pk=cluster.pk, seen=[node_status(each) for each in nodes])


def versions(cluster):
    """What is in the environment and the version of each, as the platform sees it."""
    client = access.kubernetes_for(cluster)
    found = {}
    for plural in ("pods", "services", "configmaps", "secrets", "resourcequotas", "persistentvolumeclaims"):
        found[plural] = client.list(f"/api/v1/namespaces/retail-dev/{plural}")
    for plural in ("deployments", "replicasets", "statefulsets"):
        found[plural] = client.list(f"/apis/apps/v1/namespaces/retail-dev/{plural}")
    return {
        (plural, each["metadata"]["name"]): each["metadata"]["resourceVersion"]
        for plural, some in found.items()
        for each in some
    }


def test_a_preview_says_what_restarts_and_what_does_not_and_changes_nothing(site):
    cluster = Environment.objects.get().cluster
    look_at_nodes(cluster)
    before = versions(cluster)
    scaled = previewed(site, "p.1", replicas=3)
    # The label that tells releases apart is on the pods, so even the same content is rolled out.
    assert [(each.kind, each.what) for each in scaled.objects] == [
        ("Service", "same"),
        ("Deployment", "change"),
    ]
    changed = previewed(site, "p.2", environment={"GREETING": "two"})
    assert {each.kind: each.what for each in changed.objects} == {"Service": "same", "Deployment": "change"}
    assert (changed.restart.replaced, changed.restart.surge) == (2, 1)
    assert any(path.startswith("containers.web.env") for path in changed.restart.because)
    assert {"accepted", "images_there", "quota_fits", "fits"} <= codes(changed, "pass")
    assert not changed.blocked
    environment = Environment.objects.select_related("cluster", "tenant").get()
    first = site.app.releases.get(version="1.0")
    same = preview(app=site.app, environment=environment, release=first)
    assert (same.changes_nothing, same.restart.replaced, same.restart.made) == (True, 0, 0)
    more = preview(app=site.app, environment=environment, release=first, replicas=4)
    assert (more.restart.replaced, more.restart.made) == (0, 2)
    assert versions(cluster) == before


def test_a_preview_names_what_keeps_pods_from_starting(site):
    cluster = Environment.objects.get().cluster
    before = versions(cluster)
    anew = previewed(site, "p.3", service={"ports": [{"name": "http", "port": 80}], "headless": True})
    assert [(each.kind, each.what) for each in anew.objects] == [
        ("Service", "change"),
        ("Deployment", "change"),
    ]
    assert "spec.clusterIP" in [each.path for each in anew.objects[0].fields]
    over = previewed(site, "p.4", resources={"requests": {"cpu": "10m"}, "limits": {"memory": "7Gi"}})
    assert "quota" in codes(over, "block")
    huge = previewed(site, "p.5", resources={"requests": {"cpu": "500", "memory": "16Mi"}})
    assert {"quota", "unschedulable"} <= codes(huge, "block")
    # The master is no node, so it is the only one.
    assert dict(huge.against) == {"too little CPU": 1}
    absent = previewed(site, "p.6", image="kcloud.local/absent:1")
    assert "image_absent" in codes(absent, "block")
    unasked = previewed(site, "p.7", image=f"registry.invalid/retail/web@sha256:{'0' * 64}")
    assert ("image_unasked" in codes(unasked, "warn"), unasked.blocked) == (True, False)
    unset = previewed(site, "p.8", configuration={"environment": True})
    assert "configuration_missing" in codes(unset, "warn")
    volume = {"name": "data", "type": "claim", "size": "1Gi", "storage_class": "fast"}
    mounts = [{"volume": "data", "path": "/data"}]
    keeping = previewed(site, "p.9", kind="StatefulSet", volumes=[volume], mounts=mounts)
    assert "storage_class" in codes(keeping, "block")
    assert versions(cluster) == before


def test_a_preview_says_of_a_closed_node_that_nothing_can_be_placed(site):
    cluster = Environment.objects.select_related("cluster").get().cluster
    platform = access.kubernetes_for(cluster)
    platform.patch("/api/v1/nodes/r2", {"spec": {"unschedulable": True}})
    try:
        look_at_nodes(cluster)
        found = previewed(site, "p.10", environment={"GREETING": "closed"})
    finally:
        platform.patch("/api/v1/nodes/r2", {"spec": {"unschedulable": None}})
        look_at_nodes(cluster)
    assert "unschedulable" in codes(found, "block")
    assert ("closed to new pods", 1) in found.against


def test_a_release_whose_probe_fails_goes_back_by_itself_and_is_kept_out(site, client):
    bad = release(site, "1.1", port=9999)
    made = done(ask_for(site, bad, strategy=Strategy(timeout=15)))
    now = workload()
    assert (made.state, now.release.version, now.state) == ("returned", "1.0", "healthy"), made.reason
    assert "readiness check" in made.reason["why"]
    assert Pin.objects.get().release == bad
    until(lambda: {each["metadata"]["labels"]["kcloud.local/release"] for each in pods(client)} == {"1"}, 60)


def test_an_image_that_does_not_exist_is_named_and_goes_back(site):
    made = done(
        ask_for(site, release(site, "1.2", image="kcloud.local/absent:1"), strategy=Strategy(timeout=15))
    )
    assert made.state == "returned", made.reason
    assert "kcloud.local/absent:1" in made.reason["why"]


def test_a_release_over_the_quota_is_named_and_goes_back(site):
    too_much = {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "7Gi"}}
    made = done(ask_for(site, release(site, "1.3", resources=too_much)))
    assert made.state == "returned", made.reason
    assert "limits.memory=7Gi" in made.reason["why"]
    assert workload().observed["available"] == 2


def test_a_worker_killed_in_mid_rollout_leaves_nothing_undone(site):
    made = ask_for(site, release(site, "2.0", environment={"GREETING": "two"}))
    operation = Operation.objects.get(pk=made.operation_id)
    with in_a_fresh_worker(operation):
        until(lambda: operation.steps.filter(key="apply", state="succeeded").exists(), 60)
    # The dead worker's lease has to end before another may go on.
    until(lambda: carry_out(operation).state != State.RUNNING, 60)
    made.refresh_from_db()
    assert made.state == "succeeded", made.reason
    assert workload().good_release.version == "2.0"


def test_scaled_stopped_started_and_restarted(site, client):
    assert done(deployments.scale_workload(workload=workload(), replicas=3, by=site.by)).state == "succeeded"
    assert len(pods(client)) == 3
    assert done(deployments.stop_workload(workload=workload(), by=site.by)).state == "succeeded"
    until(lambda: not pods(client), 30)
    assert workload().state == "stopped"
    assert done(deployments.start_workload(workload=workload(), by=site.by)).state == "succeeded"
    before = {each["metadata"]["uid"] for each in pods(client)}
    assert done(deployments.restart_workload(workload=workload(), by=site.by)).state == "succeeded"
    until(lambda: before.isdisjoint({each["metadata"]["uid"] for each in pods(client)}), 30)


def test_blue_and_green_move_the_service_once_all_are_available(site, client):
    third = release(site, "3.0", environment={"GREETING": "three"})
    assert done(ask_for(site, third, strategy=Strategy(BLUE_GREEN))).state == "succeeded"
    service = client.get("/api/v1/namespaces/retail-dev/services/web")
    assert service["spec"]["selector"]["kcloud.local/slot"] == "green"
    with pytest.raises(ResourceNotFound):
        client.get(WEB)


def test_one_step_back_and_replaced_all_at_once(site, client):
    made = done(deployments.undo_deployment(workload=workload(), by=site.by))
    assert (made.state, workload().release.version) == ("succeeded", "2.0")
    fourth = release(site, "4.0", environment={"GREETING": "four"})
    assert done(ask_for(site, fourth, strategy=Strategy(RECREATE))).state == "succeeded"


def test_a_cancelled_deployment_is_taken_back(site):
    fifth = release(site, "5.0", port=9999)
    made = ask_for(site, fifth, strategy=Strategy(timeout=120))
    operation = Operation.objects.get(pk=made.operation_id)
    with in_a_fresh_worker(operation):
        until(lambda: operation.steps.filter(key="apply", state="succeeded").exists(), 60)
        operations.cancel_operation(operation=operation, by=site.by)
        until(lambda: Operation.objects.get(pk=operation.pk).state == State.CANCELLED, 60)
    back = Deployment.objects.order_by("-number").first()
    assert done(back).state == "succeeded", back.reason
    assert workload().release.version == "4.0"


def test_removed_it_comes_back_from_the_bin_and_is_gone_when_that_is_emptied(site, client):
    done(bins.remove_workload(workload=workload(), by=site.by, confirm_name="web"))
    assert workload().state == "binned"
    assert pods(client) == []
    assert done(bins.restore_workload(workload=workload(), by=site.by)).state == "succeeded"
    assert workload().observed["available"] == 3
    done(bins.remove_workload(workload=workload(), by=site.by, confirm_name="web"))
    emptied = bins.empty_bin(workload=workload(), by=site.by, confirm_name="web")
    carry_out(Operation.objects.get(pk=emptied.operation_id))
    assert not Workload.objects.exists()


def test_what_runs_already_is_adopted_without_a_restart_and_gives_way_to_a_release(site, client):
    old = objects(parse(spec()), Place("retail-dev", "old", "x", "x", 1, 2))
    for each in old:
        each["metadata"]["labels"] = {"app": "old"}
        if each["kind"] == "Deployment":
            each["spec"]["selector"]["matchLabels"] = {"app": "old"}
            each["spec"]["template"]["metadata"]["labels"] = {"app": "old"}
        else:
            each["spec"]["selector"] = {"app": "old"}
        client.apply(each)
    until(lambda: len(ready(client, "app=old")) == 2, 60)
    before = {each["metadata"]["uid"] for each in ready(client, "app=old")}
    environment = Environment.objects.select_related("cluster", "tenant").get()
    (adopted,) = adopting.adopt(environment=environment, names=["old"], by=site.by)
    assert workload().state == "healthy"
    assert {each["metadata"]["uid"] for each in ready(client, "app=old")} == before
    assert done(deployments.scale_workload(workload=workload(), replicas=3, by=site.by)).state == "succeeded"
    assert before <= {each["metadata"]["uid"] for each in ready(client, "app=old")}
    newer = make_release(adopted.app, "2.0", spec(environment={"GREETING": "ours"}))
    made = done(
        deployments.deploy_release(app=adopted.app, environment=environment, release=newer, by=site.by)
    )
    assert made.state == "succeeded", made.reason
    assert len(ready(client, "kcloud.local/app=old")) == 3
    until(lambda: not client.list(PODS, labelSelector="app=old"), 60)


def ready(client, selector):
    return [
        each
        for each in client.list(PODS, labelSelector=selector)
        if any(c["type"] == "Ready" and c["status"] == "True" for c in each["status"].get("conditions", []))
    ]


DATABASE = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "db", "namespace": "retail-dev"},
    "spec": {
        "replicas": 1,
        "serviceName": "db",
        "selector": {"matchLabels": {"app": "db"}},
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data"},
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "by-hand",
                    "resources": {"requests": {"storage": "1Gi"}},
                },
            }
        ],
    },
}


def volume(number):
    """A place on the worker for one claim, as an operator makes them by hand."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"by-hand-{number}"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "by-hand",
            "hostPath": {"path": f"/var/lib/by-hand-{number}", "type": "DirectoryOrCreate"},
        },
    }


def keeping(**changed):
    """A release with the claim of DATABASE."""
    mounts = [{"volume": "data", "path": "/data"}]
    claim = {"name": "data", "type": "claim", "size": "1Gi", "storage_class": "by-hand"}
    return {**spec(mounts=mounts, **changed), "kind": "StatefulSet", "volumes": [claim]}


def claims(client):
    found = client.list("/api/v1/namespaces/retail-dev/persistentvolumeclaims")
    return {each["metadata"]["name"]: each["spec"]["volumeName"] for each in found}


def test_a_database_with_volumes_is_adopted_and_released_in_its_own_place(site, client):
    environment = Environment.objects.select_related("cluster", "tenant").get()
    platform = access.kubernetes_for(environment.cluster)
    for number in (1, 2):
        platform.apply(volume(number))
    made = objects(parse(keeping()), Place("retail-dev", "db", "x", "x", 1, 1))
    service, pod = made[0], made[-1]["spec"]["template"]
    for holder, key in (
        (service["metadata"], "labels"),
        (service["spec"], "selector"),
        (pod["metadata"], "labels"),
    ):
        holder[key] = {"app": "db"}
    client.apply(service)
    client.apply({**DATABASE, "spec": {**DATABASE["spec"], "template": pod}})
    until(lambda: len(ready(client, "app=db")) == 1, 90)
    place = "/apis/apps/v1/namespaces/retail-dev/statefulsets/db"
    before, pods_before = client.get(place), {each["metadata"]["uid"] for each in ready(client, "app=db")}
    volumes = claims(client)

    (adopted,) = adopting.adopt(environment=environment, names=["db"], by=site.by)

    def now():
        rows = Workload.objects.select_related("app", "environment__cluster", "tenant", "release")
        return rows.get(pk=adopted.pk)

    assert now().state == "healthy"
    # Its status may still be moving.
    same = client.get(place)
    assert (same["spec"], same["metadata"]["generation"]) == (
        before["spec"],
        before["metadata"]["generation"],
    )
    assert done(deployments.scale_workload(workload=now(), replicas=2, by=site.by)).state == "succeeded"
    assert pods_before <= {each["metadata"]["uid"] for each in ready(client, "app=db")}

    newer = make_release(adopted.app, "2.0", keeping(environment={"GREETING": "ours"}))
    told = preview(app=adopted.app, environment=environment, release=newer)
    assert (told.blocked, told.restart.replaced) == (False, 2)
    assert {(each.kind, each.name): each.what for each in told.objects} == {("StatefulSet", "db"): "change"}
    made = deployments.deploy_release(app=adopted.app, environment=environment, release=newer, by=site.by)
    assert done(made).state == "succeeded", made.reason
    after = client.get(place)
    for field in ("selector", "serviceName", "volumeClaimTemplates", "podManagementPolicy"):
        assert after["spec"].get(field) == before["spec"].get(field)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    # The Service that was there leads to them still, and each has the volume it had.
    assert len(ready(client, "app=db,kcloud.local/app=db")) == 2
    assert claims(client)["data-db-0"] == volumes["data-db-0"]
    assert len(claims(client)) == 2

    bad = make_release(adopted.app, "2.1", keeping(port=9999))
    returned = deployments.deploy_release(
        app=adopted.app, environment=environment, release=bad, by=site.by, strategy=Strategy(timeout=15)
    )
    assert done(returned).state == "returned", returned.reason
    assert now().release == newer
    back = deployments.deploy_release(
        app=adopted.app, environment=environment, release=adopted.release, by=site.by
    )
    assert done(back).state == "succeeded", back.reason
    assert client.get(place)["spec"]["template"] == before["spec"]["template"]
    assert claims(client)["data-db-0"] == volumes["data-db-0"]
