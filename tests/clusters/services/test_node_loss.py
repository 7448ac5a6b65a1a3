"""A lost node: what is deleted, what waits for a person, what is never touched; and how the portal finds out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from clusters import access
from clusters.errors import ClusterUnreachable, NodeRefused
from clusters.healing.nodes import Peer, Verdict, Witness
from clusters.healing.own_network import Witness as OwnWitness
from clusters.models import Membership, NodeDecision
from clusters.services import node_decisions, node_loss, node_probing, probing_board
from clusters.services.node_probing import LEASES, Warden
from clusters.services.probing_board import Board
from kcloud_site.audit.models import AuditEvent
from tests.clusters.fake_kubernetes import with_nodes
from tests.clusters.kube_objects import make_cluster, make_host, raw_node

pytestmark = pytest.mark.django_db
WITNESSES = (Witness("probe", "2"), Witness("peer", "w2"))


class Cluster(type(with_nodes())):
    """In memory, and `spec.nodeName` can be selected by."""

    def list(self, path, **params):
        found = super().list(path, **{**params, "labelSelector": ""})
        node = str(params.get("fieldSelector", "")).removeprefix("spec.nodeName=")
        label = str(params.get("labelSelector", ""))
        return [
            each
            for each in found
            if (not node or each["spec"]["nodeName"] == node)
            and (not label or label in (each["metadata"].get("labels") or {}))
        ]


def pod(name, owner="ReplicaSet", node="w1", **labels):
    labels = labels or {"kcloud.local/app": "web"}
    owners = [{"kind": owner, "name": "any"}] if owner else []
    metadata = {"name": name, "namespace": "retail-dev", "uid": f"uid-{name}", "labels": labels}
    return {
        "kind": "Pod",
        "metadata": {**metadata, "ownerReferences": owners},
        "spec": {"nodeName": node},
        "status": {"phase": "Running"},
    }


@pytest.fixture
def fake(monkeypatch):
    made = Cluster()
    for name in ("w1", "w2", "w3"):
        made.objects[f"/api/v1/nodes/{name}"] = raw_node(name)
        renew(made, name)
    for each in (
        pod("web-1"),
        pod("web-2", node="w2"),
        pod("db-0", "StatefulSet"),
        pod("agent", "DaemonSet"),
        pod("other", **{"app": "somebody's"}),
    ):
        made.objects[f"/api/v1/namespaces/retail-dev/pods/{each['metadata']['name']}"] = each
    monkeypatch.setattr(access, "kubernetes_for", lambda _place, **_options: made)
    return made


def renew(fake, name, age=1.0):
    at = timezone.now() - timedelta(seconds=age)
    spec = {"renewTime": at.isoformat(), "leaseDurationSeconds": 40}
    fake.objects[f"{LEASES}/{name}"] = {"metadata": {"name": name}, "spec": spec}


def pods(fake):
    return sorted(name.rsplit("/", 1)[1] for name in fake.objects if "/pods/" in name)


def taints(fake, name="w1"):
    return [each["key"] for each in fake.objects[f"/api/v1/nodes/{name}"]["spec"].get("taints") or []]


@pytest.fixture
def cluster():
    return make_cluster()


@pytest.fixture
def lost(cluster):
    verdict = Verdict("w1", "lost", "witnesses", WITNESSES)
    return node_decisions.record(cluster_pk=cluster.pk, verdict=verdict, failing_since=timezone.now())


def told():
    return list(AuditEvent.objects.order_by("id").values_list("action", flat=True))


# --- what is done --------------------------------------------------------------------------------


def test_what_has_no_identity_is_replaced_at_once_and_nothing_else(fake, lost):
    assert node_loss.sweep(row=lost, client=fake) == 1
    assert pods(fake) == ["agent", "db-0", "other", "web-2"]
    assert fake.graces == [0]
    assert taints(fake) == ["kcloud.local/lost"]
    lost.refresh_from_db()
    assert lost.outcome["replaced"] == ["retail-dev/web-1"]
    assert lost.outcome["waiting"] == ["retail-dev/db-0"]
    assert lost.outcome["left"] == ["retail-dev/agent"]
    assert told() == ["node.lost", "node.pods_replaced"]


def test_a_second_sweep_changes_nothing(fake, lost):
    node_loss.sweep(row=lost, client=fake)
    before = len(told())
    assert node_loss.sweep(row=lost, client=fake) == 0
    assert (len(told()), taints(fake)) == (before, ["kcloud.local/lost"])


def test_a_pod_that_has_become_another_is_left(fake, lost, monkeypatch):
    place = "/api/v1/namespaces/retail-dev/pods/web-1"
    listed = fake.list

    def then_replaced(path, **params):
        found = listed(path, **params)
        fake.objects[place]["metadata"]["uid"] = "uid-of-another"
        return found

    monkeypatch.setattr(fake, "list", then_replaced)
    assert node_loss.sweep(row=lost, client=fake) == 0
    assert "web-1" in pods(fake)


def test_what_has_an_identity_moves_once_a_person_says_the_machine_is_off(fake, lost, cluster, operator):
    node_loss.sweep(row=lost, client=fake)
    row = node_decisions.confirm_fenced(cluster=cluster, node="w1", by=operator)
    node_loss.sweep(row=row, client=fake)
    assert pods(fake) == ["agent", "other", "web-2"]
    assert taints(fake) == ["kcloud.local/lost", "node.kubernetes.io/out-of-service"]
    assert "node.fenced" in told()


def test_only_a_lost_node_can_be_confirmed_off(cluster, operator):
    with pytest.raises(NodeRefused):
        node_decisions.confirm_fenced(cluster=cluster, node="w1", by=operator)


def test_a_node_that_is_back_takes_pods_again_and_others_taints_stay(fake, lost):
    fake.objects["/api/v1/nodes/w1"]["spec"]["taints"] = [{"key": "gpu", "effect": "NoSchedule"}]
    node_loss.sweep(row=lost, client=fake)
    assert taints(fake) == ["gpu", "kcloud.local/lost"]
    node_loss.release(row=lost, client=fake)
    assert taints(fake) == ["gpu"]
    assert node_decisions.lost_nodes(lost.cluster_id) == {}
    assert told()[-1] == "node.back"


def test_pods_whose_owner_did_not_consent_stay_and_are_named(fake, lost, monkeypatch):
    class Owner:
        def refused(self, _cluster_pk, pods):
            return {each.path: "not asked" for each in pods}

        def told(self, *_arguments):
            raise AssertionError("nothing was done")

    monkeypatch.setattr(node_loss, "_owners", [])
    node_loss.answer_for_workloads(Owner())
    fake.delete("/api/v1/namespaces/retail-dev/pods/db-0")
    assert node_loss.sweep(row=lost, client=fake) == 0
    lost.refresh_from_db()
    assert lost.outcome["asked"] == ["retail-dev/web-1"]


def test_the_same_decision_again_is_counted_not_repeated(cluster):
    verdict = Verdict("w1", "wait", "one-witness", WITNESSES[:1])
    for _turn in range(3):
        node_decisions.record(cluster_pk=cluster.pk, verdict=verdict, failing_since=None)
    assert NodeDecision.objects.get().count == 3
    assert told() == []


# --- how it is found out -------------------------------------------------------------------------


class Answers:
    """A prober whose answers the test chooses."""

    def __init__(self):
        self.silent = set()

    def round(self, targets):
        return {each.name: each.name not in self.silent for each in targets}

    def close(self):
        """Nothing to close."""


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def says(monkeypatch):
    """What peers say of each host; None: they cannot be asked."""
    words = {}

    def peer_says(host, _way, target):
        word = words.get(target.name)
        return None if word is None else Peer(host.name, word, timezone.now())

    monkeypatch.setattr(node_probing, "_peer_says", peer_says)
    monkeypatch.setattr(access, "ssh_for", lambda _host: None)
    return words


@pytest.fixture
def warden(cluster, fake, answers, says):
    for number, name in enumerate(("m1", "w1", "w2", "w3")):
        role = Membership.Role.MASTER if name == "m1" else Membership.Role.WORKER
        make_host(name, cluster=cluster, address=f"198.51.100.{number + 1}", role=role)
    return Warden(cluster.pk, Board(), prober=answers)


def turns(warden, count=4):
    for _turn in range(count):
        warden.turn()
        for watched in warden._nodes.values():
            if watched.asking is not None:
                watched.asking.result()


def decisions():
    rows = NodeDecision.objects.order_by("id")
    return [(row.node, row.action, row.why) for row in rows]


def test_while_all_is_well_the_api_server_is_not_asked(warden, fake):
    turns(warden)
    assert (fake.asked, decisions()) == ([], [])


def test_a_node_that_two_do_not_reach_is_lost_and_its_pods_replaced(warden, fake, answers, says):
    renew(fake, "w1", age=5)
    answers.silent, says["w1"] = {"w1"}, False
    turns(warden)
    assert decisions() == [("w1", "lost", "witnesses")]
    assert "web-1" not in pods(fake)
    row = NodeDecision.objects.get()
    assert [each["who"] for each in row.witnesses] == ["probe", "peer"]
    assert row.acted_at >= row.failing_since


def test_one_witness_is_not_enough(warden, fake, answers, says):
    renew(fake, "w1", age=5)
    answers.silent, says["w1"] = {"w1"}, True
    turns(warden)
    assert decisions() == [("w1", "wait", "one-witness")]
    assert "web-1" in pods(fake)


def test_an_overdue_lease_is_a_witness_where_no_neighbour_can_be_asked(warden, fake, answers):
    renew(fake, "w1", age=30)
    answers.silent = {"w1"}
    turns(warden)
    assert decisions() == [("w1", "lost", "witnesses")]


def test_a_renewed_lease_overrules_both_probes(warden, fake, answers, says):
    answers.silent, says["w1"] = {"w1"}, False
    turns(warden, 1)
    renew(fake, "w1", age=0)
    turns(warden)
    assert decisions() == [("w1", "wait", "renewed")]


def test_two_of_three_at_once_is_a_storm(warden, fake, answers, says):
    for name in ("w1", "w2"):
        renew(fake, name, age=5)
        says[name] = False
    answers.silent = {"w1", "w2"}
    turns(warden)
    assert {(action, why) for _node, action, why in decisions()} == {("hold", "storm")}
    assert pods(fake) == ["agent", "db-0", "other", "web-1", "web-2"]


def test_without_the_api_server_it_waits_and_goes_on_later(warden, fake, answers, says):
    renew(fake, "w1", age=5)
    answers.silent, says["w1"] = {"w1"}, False
    fake.down = ClusterUnreachable("gone")
    turns(warden)
    assert decisions() == [("w1", "hold", "api")]
    fake.down = None
    turns(warden)
    assert decisions()[-1] == ("w1", "lost", "witnesses")


def test_a_node_that_answers_again_is_released(warden, fake, answers, says):
    renew(fake, "w1", age=5)
    answers.silent, says["w1"] = {"w1"}, False
    turns(warden)
    answers.silent = set()
    renew(fake, "w1", age=0)
    turns(warden)
    assert (taints(fake), node_decisions.lost_nodes(warden.cluster_pk)) == ([], {})


def test_a_portal_that_reaches_almost_nothing_does_nothing(warden, fake, answers, says):
    warden._board.put(7, 5, 5)
    for name in ("w1", "w2"):
        renew(fake, name, age=5)
        says[name] = False
    answers.silent = {"w1", "w2"}
    turns(warden)
    assert {(action, why) for _node, action, why in decisions()} == {("hold", "portal")}


def test_what_waits_for_it_has_the_machine_powered_off_but_never_in_a_storm(
    warden, fake, answers, says, monkeypatch
):
    considered = []
    monkeypatch.setattr(node_probing.fencing, "consider", lambda row: considered.append(row.node))
    monkeypatch.setattr(node_probing, "SWEEP_EVERY", 0.0)
    renew(fake, "w1", age=5)
    answers.silent, says["w1"] = {"w1"}, False
    turns(warden)
    assert set(considered) == {"w1"}
    renew(fake, "w2", age=5)
    answers.silent, says["w2"] = {"w1", "w2"}, False
    turns(warden)
    considered.clear()
    turns(warden)
    assert considered == []


def test_a_portal_whose_own_gateway_is_silent_does_nothing_and_says_so(
    warden, fake, answers, says, monkeypatch
):
    silent = []
    gateway = OwnWitness("10.0.0.1")
    monkeypatch.setattr(probing_board, "FRESH", 0.0)
    warden._board = Board(ask=lambda all_: {each: not silent for each in all_}, witnesses=[gateway])
    turns(warden, 1)
    warden._board.suspicion()
    silent.append(True)
    renew(fake, "w1", age=30)
    answers.silent = {"w1"}
    turns(warden)
    assert decisions() == [("w1", "hold", "gateway")]
    assert "web-1" in pods(fake)
    silent.clear()
    turns(warden)
    assert decisions()[-1] == ("w1", "lost", "witnesses")
