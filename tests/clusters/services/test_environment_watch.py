"""Differences on the cluster: seen, told, repaired, and left to a person where somebody keeps making them."""

import pytest
import time_machine
from django.utils import timezone

from clusters import jobs
from clusters.errors import ClusterRefused, ClusterUnreachable
from clusters.models import Environment
from clusters.services import environment_account, environment_watch, environments
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations.models import Operation, State
from tests.clusters.environments import carry_out, fake_cluster, give_quota, make, newest

pytestmark = pytest.mark.django_db

NAMESPACE = "/api/v1/namespaces/retail-dev"
QUOTA = f"{NAMESPACE}/resourcequotas/kcloud-share"
DENY = "/apis/networking.k8s.io/v1/namespaces/retail-dev/networkpolicies/kcloud-default-deny"


@pytest.fixture
def place(monkeypatch, tenant):
    give_quota(tenant)
    return fake_cluster(monkeypatch)


@pytest.fixture
def kube(place):
    return place[1]


@pytest.fixture
def environment(tenant, place):
    return make(tenant, place[0])


def look(environment):
    jobs.look_after_environments(cluster_pk=environment.cluster_id)
    environment.refresh_from_db()
    return environment


def change_by_hand(kube, path=QUOTA, manager="kubectl-edit"):
    kube.objects[path]["spec"]["hard"]["pods"] = "1000"
    kube.objects[path]["metadata"]["managedFields"] = [
        {"manager": "kcloud", "time": "2026-11-27T09:00:00Z"},
        {"manager": "kube-controller-manager", "time": "2026-11-27T10:30:00Z", "subresource": "status"},
        {"manager": manager, "time": "2026-11-27T10:00:00Z"},
    ]


def repairs():
    return Operation.objects.filter(kind=environments.REPAIR)


def test_what_is_as_it_should_be_is_seen_with_its_use_and_left_alone(environment, kube):
    used = {"requests.cpu": "250m", "requests.memory": "64Mi", "limits.memory": "1Gi", "pods": "3"}
    kube.objects[QUOTA]["status"] = {"used": used}
    asked = len(kube.asked)
    seen = look(environment)
    assert (seen.state, seen.drift, seen.seen_at is not None) == ("ready", [], True)
    assert seen.used == {"cpu": 250, "memory": 2**30, "storage": 0, "pods": 3, "gpus": 0}
    assert len(kube.asked) - asked == len(environment_watch._LISTS)
    assert not repairs().exists()


def test_the_same_lists_serve_any_number_of_environments(environment, tenant, place):
    cluster, kube = place
    for name in ("test", "prod"):
        make(tenant, cluster, name=name)
    asked = len(kube.asked)
    look(environment)
    assert len(kube.asked) - asked == len(environment_watch._LISTS)
    assert Environment.objects.filter(seen_at__isnull=False).count() == 3


def test_a_deleted_wall_is_seen_told_and_put_up_again(environment, kube):
    del kube.objects[DENY]
    drifted = look(environment)
    repair = newest(environment)
    assert (drifted.state, repair.kind) == ("updating", environments.REPAIR)
    assert drifted.drift[0] | {"by": ""} == {
        "kind": "NetworkPolicy",
        "name": "kcloud-default-deny",
        "what": "missing",
        "where": "",
        "wanted": "",
        "found": "",
        "by": "",
    }
    assert (repair.requested_by, "NetworkPolicy kcloud-default-deny" in repair.reason) == (None, True)
    event = AuditEvent.objects.get(action="environment.drift")
    assert (event.actor_kind, event.tenant_id) == ("rule", environment.tenant_id)
    carry_out(repair)
    environment.refresh_from_db()
    assert (environment.state, environment.drift, DENY in kube.objects) == ("ready", [], True)


def test_a_changed_limit_is_told_with_what_it_was_and_who_changed_it(environment, kube):
    change_by_hand(kube)
    (difference,) = look(environment).drift
    assert difference == {
        "kind": "ResourceQuota",
        "name": "kcloud-share",
        "what": "changed",
        "where": "spec.hard.pods",
        "wanted": "10",
        "found": "1000",
        "by": "kubectl-edit, 2026-11-27T10:00:00Z",
    }
    assert "kubectl-edit" in newest(environment).reason
    assert AuditEvent.objects.get(action="environment.drift").reason == "kubectl-edit, 2026-11-27T10:00:00Z"
    carry_out(newest(environment))
    assert kube.objects[QUOTA]["spec"]["hard"]["pods"] == "10"


def test_an_object_that_lost_only_its_mark_is_changed_and_not_missing(environment, kube):
    kube.objects[NAMESPACE]["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "privileged"}
    (difference,) = look(environment).drift
    assert (difference["kind"], difference["what"]) == ("Namespace", "changed")
    assert "pod-security.kubernetes.io/enforce" in difference["where"]
    assert carry_out(newest(environment)).state == State.SUCCEEDED
    labels = kube.objects[NAMESPACE]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_applying_cannot_mend_is_made_anew(environment, kube, monkeypatch):
    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/retail-dev/rolebindings/kcloud-portal"
    kube.objects[path]["roleRef"]["name"] = "cluster-admin"
    real = kube.apply

    def immutable(obj, force=True):
        there = kube.objects.get(path, {}).get("roleRef")
        if obj["kind"] == "RoleBinding" and there not in (None, obj["roleRef"]):
            raise ClusterRefused("cannot change roleRef", status=422)
        return real(obj, force)

    monkeypatch.setattr(kube, "apply", immutable)
    look(environment)
    assert carry_out(newest(environment)).state == State.SUCCEEDED
    assert kube.objects[path]["roleRef"]["name"] == "kcloud-portal"


def test_a_frozen_environment_is_repaired_to_its_frozen_shape(environment, kube):
    carry_out(environments.freeze_environment(environment=environment, by=None))
    change_by_hand(kube)
    look(environment)
    carry_out(newest(environment))
    environment.refresh_from_db()
    assert (environment.state, kube.objects[QUOTA]["spec"]["hard"]["pods"]) == ("frozen", "0")


def test_repair_by_hand_waits_for_a_person(environment, kube, operator):
    environments.set_repair(environment=environment, repair="by-hand", by=operator)
    change_by_hand(kube)
    assert look(environment).state == "drifted"
    look(environment)
    assert not repairs().exists()
    assert AuditEvent.objects.filter(action="environment.drift").count() == 1
    carry_out(environments.repair_environment(environment=environment, by=operator))
    environment.refresh_from_db()
    assert environment.state == "ready"


def test_who_changes_it_back_again_and_again_is_not_fought_for_ever(environment, kube):
    for _attempt in range(environment_watch.MOST_REPAIRS):
        change_by_hand(kube, manager="argocd")
        look(environment)
        carry_out(newest(environment))
    change_by_hand(kube, manager="argocd")
    assert look(environment).state == "drifted"
    assert repairs().count() == environment_watch.MOST_REPAIRS
    with time_machine.travel(timezone.now() + environment_watch.REPAIRS_WITHIN, tick=False):
        look(environment)
    assert repairs().count() == environment_watch.MOST_REPAIRS + 1


def test_a_difference_that_goes_away_by_itself_is_forgotten(environment, kube, operator):
    environments.set_repair(environment=environment, repair="by-hand", by=operator)
    kept = kube.objects.pop(DENY)
    assert look(environment).state == "drifted"
    kube.objects[DENY] = kept
    assert (look(environment).state, environment.drift) == ("ready", [])


def test_a_cluster_that_does_not_answer_tells_nothing(environment, kube):
    kube.down = ClusterUnreachable("away")
    seen = look(environment)
    assert (seen.state, seen.seen_at) == ("ready", None)


def test_an_environment_at_work_is_not_looked_at(environment, kube):
    environments.freeze_environment(environment=environment, by=None)
    change_by_hand(kube)
    assert look(environment).drift == []


def test_what_was_asked_for_during_the_look_is_not_written_over(environment, kube, monkeypatch):
    change_by_hand(kube)
    real = kube.list

    def list_and_freeze(path, **params):
        if path == "/api/v1/namespaces":
            environments.freeze_environment(environment=environment, by=None)
        return real(path, **params)

    monkeypatch.setattr(kube, "list", list_and_freeze)
    seen = look(environment)
    assert (seen.state, seen.drift, seen.frozen) == ("updating", [], True)
    assert not repairs().exists()


def test_a_token_that_is_half_over_is_renewed_long_before_it_ends(environment, kube):
    now = timezone.now()
    Environment.objects.update(token_ends_at=now + environment_account.WANTED * 0.49)
    before = bytes(environment.sealed_token)
    seen = look(environment)
    assert bytes(seen.sealed_token) != before
    assert seen.token_ends_at.year == 2036
    assert AuditEvent.objects.filter(action="environment.token").count() == 2
    asked = len(kube.asked)
    look(environment)
    assert not any(path.endswith("/token") for path in kube.asked[asked:])
