"""The step that puts log shippers on workers, or takes them away: with a store, without one, with one that is away."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from clusters.adapters.answers import path_of
from clusters.bundle.manifest import encode
from clusters.deploying.log_store import LogStoreAddress
from clusters.manifests import log_shipping as rights
from clusters.selectors import log_shipping
from clusters.services import log_shipping as shipping_step
from kcloud_site.operations import services as operations
from kcloud_site.operations.models import LogLine, State, Step
from tests.clusters.deployment_fakes import carry_out, deploy, manifest

pytestmark = pytest.mark.django_db
STORE = LogStoreAddress("http://10.0.0.9:9428", "kcloud", "the-password-of-the-store")


class Store:
    """The keeper of a store, as the app that has one tells of it."""

    def __init__(self):
        self.address, self.heard = STORE, {"w1": timezone.now(), "w2": timezone.now()}


@pytest.fixture
def store(monkeypatch):
    kept = Store()
    keeper = log_shipping.Keeper(
        lambda: kept.address, lambda cluster: kept.heard if cluster == "prod" else {}
    )
    monkeypatch.setattr(log_shipping, "_KEEPERS", [keeper])
    monkeypatch.setattr(shipping_step, "PATIENCE", 0.0)
    return kept


def runs(fake):
    return [run for run in fake.runs if run["tag"] == "logs"]


def said(operation):
    rows = LogLine.objects.filter(operation=operation, step="logs")
    return {(row.target, row.level): row.text for row in rows}


def test_without_a_store_no_host_is_visited(cluster, operator, fake, api, store):
    store.address = None
    operation = deploy(cluster, operator)
    assert operation.state == State.SUCCEEDED
    assert runs(fake) == []
    assert Step.objects.get(operation=operation, key="logs").state == State.SUCCEEDED
    assert not any(path in api.objects for path in rights.paths())
    assert log_shipping.shipping(cluster, ["w1"]) is None


def test_with_a_store_every_worker_is_told_of_it(cluster, operator, fake, api, store):
    operation = deploy(cluster, operator)
    assert operation.state == State.SUCCEEDED, operation.failure
    (run,) = runs(fake)
    assert run["hosts"] == ["w1", "w2"]
    assert run["told"]["kcloud_log_store"]["url"] == "http://10.0.0.9:9428/insert/native"
    paths = {file["path"] for file in run["told"]["kcloud_files"]["w1"]}
    assert paths == {"/etc/kubernetes/log-shipper.conf", "/etc/kubernetes/log-shipper.password"}
    assert said(operation)["", "info"] == "Lines of 2 nodes arrive in the store."
    assert log_shipping.shipping(cluster, ["w1", "w2"]).is_well


def test_its_rights_are_there_before_it_starts(cluster, operator, fake, api, store):
    seen = []
    fake.before = lambda tag: seen.append(set(rights.paths()) <= set(api.objects)) if tag == "logs" else None
    deploy(cluster, operator)
    assert seen == [True]


def test_the_password_is_sealed_hidden_and_nowhere_in_the_operation(cluster, operator, fake, api, store):
    operation = deploy(cluster, operator)
    assert STORE.password in runs(fake)[0]["secrets"]
    assert "PRIVATE KEY" in "".join(runs(fake)[0]["secrets"])
    assert STORE.password not in json.dumps(operation.inputs) + repr(STORE) + str(said(operation))
    for run in fake.runs:
        assert (STORE.password in json.dumps(run["told"])) == (run["tag"] == "logs")
    assert not any(STORE.password.encode() in bytes(row.sealed) for row in cluster.secrets.all())


def test_a_second_deployment_changes_nothing(cluster, operator, fake, api, store):
    deploy(cluster, operator)
    fake.changes = ()
    operation = deploy(cluster, operator)
    assert Step.objects.get(operation=operation, key="verify").outcome["total_changed"] == 0


def test_without_the_store_the_next_deployment_takes_it_all_away_once(cluster, operator, fake, api, store):
    deploy(cluster, operator)
    store.address = None
    operation = deploy(cluster, operator)
    run = runs(fake)[1]
    assert (run["told"]["kcloud_log_store"], run["told"]["kcloud_files"]) == ({}, {"w1": [], "w2": []})
    assert not any(path in api.objects for path in rights.paths())
    assert Step.objects.get(operation=operation, key="logs").outcome["changed"] == len(rights.objects())
    assert not log_shipping.ships(cluster)
    deploy(cluster, operator)
    assert len(runs(fake)) == 2


def test_a_removal_that_failed_is_not_forgotten(cluster, operator, fake, api, store):
    deploy(cluster, operator)
    store.address = None
    fake.failing["logs", "w2"] = {
        "code": "unit-stop",
        "subject": "kcloud-log-shipper.service",
        "evidence": "",
    }
    operation = deploy(cluster, operator)
    assert (operation.state, operation.failure["target"]) == (State.FAILED, "w2")
    assert log_shipping.ships(cluster)
    fake.failing.clear()
    operations.resume_operation(operation=operation, by=operator)
    assert carry_out(operation).state == State.SUCCEEDED
    assert runs(fake)[-1]["hosts"] == ["w2"]
    assert not log_shipping.ships(cluster)


def test_a_node_nobody_has_heard_of_is_named_and_does_not_stop_the_deployment(
    cluster, operator, fake, api, store
):
    store.heard = {"w1": timezone.now(), "w2": timezone.now() - timedelta(minutes=3)}
    operation = deploy(cluster, operator)
    assert operation.state == State.SUCCEEDED
    assert "http://10.0.0.9:9428" in said(operation)["w2", "warning"]
    assert ("w1", "warning") not in said(operation)
    assert log_shipping.shipping(cluster, ["w1", "w2"]).silent == ("w2",)


def test_a_store_that_is_away_does_not_stop_the_deployment(cluster, operator, fake, api, store):
    store.heard = None
    operation = deploy(cluster, operator)
    assert operation.state == State.SUCCEEDED
    assert "does not answer" in said(operation)["", "warning"]
    assert not log_shipping.shipping(cluster, ["w1"]).answers


def test_a_bundle_from_before_there_was_a_shipper_is_refused(
    cluster, operator, fake, api, store, bundle, tmp_path
):
    old = manifest()
    files = tuple(file for file in old.files if file.path != shipping_step.PROGRAM)
    (tmp_path / "manifest.json").write_bytes(encode(type(old)(**{**vars_of(old), "files": files})))
    operation = deploy(cluster, operator)
    assert (operation.state, operation.failure["step"]) == (State.FAILED, "logs")
    assert "manage.py bundle build" in operation.failure["remedy"]
    assert not log_shipping.ships(cluster)


def vars_of(found):
    return {name: getattr(found, name) for name in found.__dataclass_fields__}


def test_its_account_may_list_and_watch_pods_only():
    role, binding = rights.objects()
    allowed = {
        (resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]
    }
    assert allowed == {("pods", "list"), ("pods", "watch")}
    assert binding["subjects"] == [
        {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": rights.USER}
    ]
    assert sorted(map(path_of, rights.objects())) == sorted(rights.paths())
