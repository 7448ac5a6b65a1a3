"""The watch of pods against a real API server, with the sample shop's own pods in a restricted namespace."""

import pytest

from apps.manifests.workload import Place, objects
from apps.samples import shop
from apps.specs.reading import parse
from clusters import pod_watching
from clusters.errors import ClusterRefused
from clusters.pod_watching import PodFollower
from clusters.signals import pods_changed
from tests.clusters.kube_objects import make_cluster
from tests.clusters.test_watching import eventually

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("real_database")]

NAMESPACE = "retail-real"


@pytest.fixture
def client(controlled_plane):
    """In a namespace where Pod Security refuses what is not restricted."""
    found = controlled_plane.client()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    found.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
    eventually(lambda: found.list(accounts))
    return found


def pod(app):
    """As its Deployment or StatefulSet would make it."""
    made = objects(parse(shop.spec(app)), Place(NAMESPACE, app, "retail", "dev", release=1, replicas=1), None)
    template = next(each for each in made if each["kind"] in ("Deployment", "StatefulSet"))["spec"][
        "template"
    ]
    metadata = {**template["metadata"], "name": f"{app}-1", "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.fixture
def seen(client, controlled_plane, monkeypatch):
    """What the follower tells of, by application."""
    monkeypatch.setattr(pod_watching, "TELL_EVERY", 0.02)
    monkeypatch.setattr(pod_watching, "PAGE", 2)
    found = {}

    def hear(*, pods, **_more):
        found.update({app: [each.metadata.name for each in rows] for (_namespace, app), rows in pods.items()})

    pods_changed.connect(hear, weak=False)
    for app in (shop.WEB, shop.API, shop.DB):
        client.apply(pod(app))
    follower = PodFollower(make_cluster().pk, lambda _cluster: controlled_plane.client())
    follower.start()
    yield found
    follower.stop()
    follower.join(5.0)
    pods_changed.disconnect(hear)


def test_the_shops_pods_are_let_in_listed_by_pages_and_followed(client, seen):
    # Other tests' pods may lie on the same server.
    eventually(lambda: {shop.WEB, shop.API, shop.DB} <= set(seen))
    client.apply(pod(shop.CACHE))
    eventually(lambda: seen.get(shop.CACHE) == ["shop-cache-1"])
    client.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/shop-cache-1")
    eventually(lambda: seen[shop.CACHE] == [])


def test_a_pod_that_wants_more_is_refused_there(client):
    wanted = pod(shop.WEB)
    wanted["metadata"]["name"] = "greedy"
    wanted["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(ClusterRefused, match="403"):
        client.apply(wanted)
