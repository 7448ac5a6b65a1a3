"""Imported clusters: lost nodes are found through the API server alone, or suggested when that is only one witness."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters import access
from clusters.errors import ClusterRefused, ClusterUnreachable, NodeRefused
from clusters.models import Node, NodeDecision
from clusters.selectors.node_decisions import of_node
from clusters.services import node_decisions
from clusters.services.imported_nodes import ImportedWarden
from tests.clusters.kube_objects import make_cluster, raw_node
from tests.clusters.services.test_node_loss import Cluster, pod, pods, renew, taints

pytestmark = pytest.mark.django_db
REFUSED = ClusterRefused("refused", "cannot get nodes/proxy", status=403, reason="Forbidden")
NOT_REACHED = ClusterRefused("refused", "error trying to reach service: dial tcp", status=503)
BY_AGENT = ClusterRefused("refused", "", status=401, reason="")


class Imported(Cluster):
    """In memory; `proxy`: what asking for an agent's health raises, None when it answers."""

    proxy = None

    def get_bytes(self, path, **params):
        if path.endswith("/proxy/healthz"):
            self._ask(path)
            if self.proxy is not None:
                raise self.proxy
            return b"ok"
        return super().get_bytes(path, **params)


@pytest.fixture
def fake(monkeypatch):
    made = Imported()
    for each in (pod("web-1"), pod("web-2", node="w2"), pod("db-0", "StatefulSet")):
        made.objects[f"/api/v1/namespaces/retail-dev/pods/{each['metadata']['name']}"] = each
    monkeypatch.setattr(access, "kubernetes_for", lambda _place, **_options: made)
    return made


@pytest.fixture
def cluster(fake):
    made = make_cluster()
    type(made).objects.filter(pk=made.pk).update(origin="imported")
    for name in ("m1", "w1", "w2", "w3"):
        fake.objects[f"/api/v1/nodes/{name}"] = raw_node(name)
        renew(fake, name)
        roles = ["control-plane"] if name == "m1" else ["worker"]
        Node.objects.create(
            cluster=made, name=name, uid=name, roles=roles, ready="True", seen_at=timezone.now()
        )
    made.refresh_from_db()
    return made


@pytest.fixture
def warden(cluster):
    made = ImportedWarden(cluster.pk)
    made.turn()
    return made


def falls_silent(warden, *names):
    """Their leases were last seen to change half a minute ago."""
    for name in names:
        warden._leases[name].changed_at = timezone.now() - timedelta(seconds=30)


def decisions():
    return [(row.node, row.action, row.why) for row in NodeDecision.objects.order_by("id")]


def test_while_all_report_the_proxy_is_not_asked(warden, fake):
    warden.turn()
    assert not [each for each in fake.asked if "proxy" in each]
    assert decisions() == []


@pytest.mark.parametrize("proxy", [NOT_REACHED, ClusterUnreachable("it waits")])
def test_a_node_neither_lease_nor_proxy_knows_is_lost_and_its_pods_replaced(warden, fake, proxy):
    falls_silent(warden, "w1")
    fake.proxy = proxy
    warden.turn()
    assert decisions() == [("w1", "lost", "witnesses")]
    assert pods(fake) == ["db-0", "web-2"]
    assert taints(fake) == ["kcloud.local/lost"]
    row = NodeDecision.objects.get()
    assert [each["who"] for each in row.witnesses] == ["lease", "proxy"]


@pytest.mark.parametrize("proxy", [None, BY_AGENT])
def test_an_agent_that_answers_lives(warden, fake, proxy):
    falls_silent(warden, "w1")
    fake.proxy = proxy
    warden.turn()
    assert decisions() == [("w1", "wait", "one-witness")]
    assert "web-1" in pods(fake)


def test_without_a_second_witness_it_is_suggested_and_a_person_is_the_second(warden, fake, cluster, operator):
    falls_silent(warden, "w1")
    fake.proxy = REFUSED
    for _turn in range(2):
        warden.turn()
    assert decisions() == [("w1", "hold", "no-second")]
    assert "web-1" in pods(fake)
    (shown,) = of_node(cluster, "w1")
    assert shown.waits_for_fencing
    assert "second witness" in shown.why
    node_decisions.confirm_fenced(cluster=cluster, node="w1", by=operator)
    warden.turn()
    assert pods(fake) == ["web-2"]
    row = NodeDecision.objects.get(action="lost")
    assert [each["who"] for each in row.witnesses] == ["lease", "person"]


def test_a_suggestion_of_long_ago_is_nothing_to_agree_to(warden, fake, cluster, operator):
    falls_silent(warden, "w1")
    fake.proxy = REFUSED
    warden.turn()
    NodeDecision.objects.update(last_at=timezone.now() - timedelta(minutes=2))
    with pytest.raises(NodeRefused):
        node_decisions.confirm_fenced(cluster=cluster, node="w1", by=operator)


def test_a_silent_api_server_says_nothing_about_nodes(warden, fake):
    falls_silent(warden, "w1")
    fake.proxy = ClusterUnreachable("gone")
    fake.raw["/readyz"] = b"no"
    with pytest.raises(ClusterUnreachable):
        warden.turn()
    assert decisions() == []


def test_a_node_that_reports_again_is_released(warden, fake):
    falls_silent(warden, "w1")
    fake.proxy = NOT_REACHED
    warden.turn()
    renew(fake, "w1", age=0)
    warden.turn()
    assert (taints(fake), node_decisions.lost_nodes(warden.cluster_pk)) == ([], {})


def test_our_own_clusters_are_left_to_the_other_warden(warden, cluster, fake):
    type(cluster).objects.update(origin="deployed")
    fake.asked.clear()
    warden.turn()
    assert fake.asked == []
