"""Environments from the request to the end of the operation, on a cluster in memory."""

import pytest

from clusters import access
from clusters.errors import (
    ClusterRefused,
    ClusterUnreachable,
    EnvironmentRefused,
    QuotaExceeded,
    ValueRefused,
)
from clusters.models import Cluster, Environment
from clusters.services import deployment, environments, quotas
from kcloud_site.audit.models import AuditEvent
from kcloud_site.operations import services as operations
from kcloud_site.operations.errors import SubjectBusy
from kcloud_site.operations.models import DueRow, Operation, State
from kcloud_site.tenants import encryption
from kcloud_site.tenants.resources import Resources
from kcloud_site.tenants.services import tenants
from tests.clusters.environments import (
    GIB,
    ROOM,
    SHARE,
    ask,
    carry_out,
    fake_cluster,
    give_quota,
    make,
    newest,
)
from tests.clusters.kube_objects import make_cluster

pytestmark = pytest.mark.django_db

NAMESPACE = "/api/v1/namespaces/retail-dev"
QUOTA = f"{NAMESPACE}/resourcequotas/kcloud-share"
ROLE = "/apis/rbac.authorization.k8s.io/v1/namespaces/retail-dev/roles/kcloud-portal"


@pytest.fixture
def place(monkeypatch, tenant):
    give_quota(tenant)
    return fake_cluster(monkeypatch)


@pytest.fixture
def cluster(place):
    return place[0]


@pytest.fixture
def kube(place):
    return place[1]


@pytest.fixture
def environment(tenant, cluster):
    return make(tenant, cluster)


def row(environment):
    return Environment.objects.get(pk=environment.pk)


def actions():
    return [each for each in AuditEvent.objects.order_by("id").values_list("action", flat=True)]


# --- making one ----------------------------------------------------------------------------------


def test_an_environment_is_a_namespace_with_limits_walls_and_an_account(tenant, cluster, kube, operator):
    made = ask(tenant, cluster, by=operator, reason="for the shop")
    assert (made.state, made.namespace, made.created_by) == ("creating", "retail-dev", "operator")
    operation = newest(made)
    assert (operation.tenant, operation.subject_name) == (tenant, "retail-dev")
    assert carry_out(operation).state == State.SUCCEEDED, operation.failure
    kinds = sorted(path.rsplit("/", 2)[1] for path in kube.objects)
    assert kinds == [
        "limitranges",
        "namespaces",
        "networkpolicies",
        "networkpolicies",
        "resourcequotas",
        "rolebindings",
        "roles",
        "serviceaccounts",
        "serviceaccounts",
    ]
    ready = row(made)
    assert (ready.state, ready.ready_at is not None, ready.namespace_uid) == (
        "ready",
        True,
        kube.objects[NAMESPACE]["metadata"]["uid"],
    )
    created = AuditEvent.objects.get(action="environment.create")
    assert (created.actor, created.tenant_id, created.reason) == ("operator", tenant.pk, "for the shop")
    assert created.after["cpu"] == "1"


def test_its_token_is_kept_sealed_for_its_row_alone(environment):
    sealed = bytes(row(environment).sealed_token)
    assert b"token-" not in sealed
    assert encryption.unseal(sealed, identity=access.token_identity(environment)).startswith(b"token-")
    with pytest.raises(encryption.SecretUnreadable):
        encryption.unseal(sealed, identity="clusters.Environment:0:token")


def test_a_second_run_of_every_step_changes_nothing(environment, kube):
    before = dict(kube.objects)
    carry_out(environments.repair_environment(environment=environment, by=None))
    assert kube.objects == before
    assert row(environment).state == "ready"


@pytest.mark.parametrize("name", ["", "Dev", "a b", "-a", "a-", "new", "panel", "x" * 31, "é", "a/b", "a\n"])
def test_a_name_that_cannot_be_one_is_refused_at_its_field(tenant, cluster, name):
    if name == "a\n":
        assert ask(tenant, cluster, name=name).name == "a"
        return
    with pytest.raises(ValueRefused) as refused:
        ask(tenant, cluster, name=name)
    assert refused.value.field == "name"
    assert refused.value.remedy
    assert not Environment.objects.exists()


def test_a_namespace_of_kubernetes_cannot_be_had_by_a_clever_tenant_name(cluster):
    clever = tenants.create_tenant(name="kube", title="Clever", by=None)
    give_quota(clever)
    with pytest.raises(ValueRefused) as refused:
        ask(clever, cluster, name="system")
    assert "kube-system" in str(refused.value)


def test_two_tenants_cannot_get_one_namespace(tenant, cluster):
    other = tenants.create_tenant(name="retail-a", title="A", by=None)
    give_quota(other)
    ask(tenant, cluster, name="a-b")
    with pytest.raises(ValueRefused) as refused:
        ask(other, cluster, name="b")
    assert "retail-a-b" in str(refused.value)
    assert Environment.objects.count() == 1


def test_a_name_is_had_once_in_a_tenant(tenant, cluster, environment):
    with pytest.raises(ValueRefused) as refused:
        ask(tenant, make_cluster("other"))
    assert "already" in str(refused.value)


@pytest.mark.parametrize("part", ["cpu", "memory", "pods"])
def test_a_share_nothing_could_run_in_is_refused_at_its_field(tenant, cluster, part):
    with pytest.raises(ValueRefused) as refused:
        ask(tenant, cluster, share=Resources(**{**SHARE.parts(), part: 0}))
    assert refused.value.field == part


def test_more_than_the_quota_has_free_is_refused_and_nothing_is_made(tenant, cluster, kube):
    ask(tenant, cluster, share=Resources(cpu=7500, memory=GIB, pods=5))
    with pytest.raises(QuotaExceeded) as refused:
        ask(tenant, cluster, name="more")
    assert refused.value.lacking == {"cpu": 500}
    assert Environment.objects.count() == 1


def test_a_closed_tenant_and_a_cluster_that_does_not_run_get_none(tenant, cluster):
    with pytest.raises(ValueRefused) as refused:
        ask(tenant, make_cluster("draft", state=Cluster.State.DRAFT))
    assert refused.value.field == "cluster"
    tenants.close_tenant(tenant=tenant, by=None, reason="moved away")
    tenant.refresh_from_db()
    with pytest.raises(EnvironmentRefused):
        ask(tenant, cluster)


def test_somebody_elses_namespace_is_neither_taken_over_nor_deleted(tenant, cluster, kube):
    theirs = {"metadata": {"name": "retail-dev", "uid": "theirs", "labels": {"team": "x"}}}
    kube.objects[NAMESPACE] = theirs
    made = ask(tenant, cluster)
    operation = carry_out(newest(made))
    assert operation.state == State.FAILED
    assert "somebody else" in operation.failure["what"]
    assert (row(made).state, kube.objects) == ("failed", {NAMESPACE: theirs})
    removal = environments.remove_environment(environment=row(made), by=None, confirm_name="retail-dev")
    assert carry_out(removal).state == State.SUCCEEDED
    assert kube.objects == {NAMESPACE: theirs}
    assert not Environment.objects.exists()


def test_another_portals_environment_of_the_same_name_is_somebody_elses(tenant, cluster, kube, environment):
    kube.objects[NAMESPACE]["metadata"] |= {"uid": "other"}
    kube.objects[NAMESPACE]["metadata"]["labels"]["kcloud.local/portal"] = "another"
    operation = carry_out(environments.repair_environment(environment=environment, by=None))
    assert operation.state == State.FAILED
    assert "somebody else" in operation.failure["what"]


def test_a_failed_creation_says_why_and_goes_on_when_resumed(tenant, cluster, kube, operator):
    made = ask(tenant, cluster)
    kube.down = ClusterUnreachable("The API server does not answer.", "no route", "Look at the network.")
    operation = carry_out(newest(made))
    failed = row(made)
    assert (operation.state, failed.state) == (State.FAILED, "failed")
    assert failed.state_reason == {
        "what": "The API server does not answer.",
        "why": "no route",
        "remedy": "Look at the network.",
    }
    kube.down = None
    operations.resume_operation(operation=operation, by=operator)
    assert carry_out(operation).state == State.SUCCEEDED
    assert (row(made).state, row(made).state_reason) == ("ready", {})


def test_what_was_never_made_can_only_be_resumed_or_removed(tenant, cluster, kube):
    made = ask(tenant, cluster)
    kube.down = ClusterUnreachable("away")
    carry_out(newest(made))
    for change in (environments.freeze_environment, environments.repair_environment):
        with pytest.raises(EnvironmentRefused) as refused:
            change(environment=row(made), by=None)
        assert "Resume" in refused.value.remedy


def test_a_creation_cancelled_before_it_began_leaves_nothing(tenant, cluster, kube, operator):
    made = ask(tenant, cluster)
    operations.cancel_operation(operation=newest(made), by=operator)
    assert row(made).state == "removing"
    assert carry_out(newest(made)).state == State.SUCCEEDED
    assert kube.objects == {}
    assert not Environment.objects.exists()
    assert quotas.free_for(tenant) == ROOM


def test_a_creation_cancelled_in_the_middle_takes_away_what_it_made(
    tenant, cluster, kube, operator, monkeypatch
):
    made = ask(tenant, cluster)
    creation = newest(made)
    real = kube.create

    def create_and_cancel(path, obj):
        operations.cancel_operation(operation=creation, by=operator)
        return real(path, obj)

    monkeypatch.setattr(kube, "create", create_and_cancel)
    assert carry_out(creation).state == State.CANCELLED
    assert NAMESPACE in kube.objects
    removal = newest(made)
    assert (removal.kind, removal.parent) == (environments.REMOVE, creation)
    assert carry_out(removal).state == State.SUCCEEDED
    assert kube.objects == {}
    operations.resume_operation(operation=creation, by=operator)
    assert carry_out(creation).state == State.FAILED
    assert creation.failure["why"] == "It was removed."
    assert kube.objects == {}


def test_a_role_the_api_server_does_not_know_yet_is_waited_for(tenant, cluster, kube, monkeypatch):
    made, answers = ask(tenant, cluster), [ClusterRefused("forbidden", status=403)] * 2
    real = kube.get

    def slow(path, **params):
        if path.endswith("/pods") and answers:
            raise answers.pop()
        return real(path, **params)

    monkeypatch.setattr(kube, "get", slow)
    assert carry_out(newest(made)).state == State.SUCCEEDED
    assert answers == []


# --- changing one --------------------------------------------------------------------------------


def test_a_resize_moves_the_share_and_the_quota_with_it(environment, kube, tenant, operator):
    bigger = Resources(cpu=3000, memory=4 * GIB, storage=10 * GIB, pods=20)
    operation = environments.resize_environment(environment=environment, share=bigger, by=operator)
    assert row(environment).state == "updating"
    assert quotas.free_for(tenant) == ROOM - bigger
    carry_out(operation)
    hard = kube.objects[QUOTA]["spec"]["hard"]
    assert (hard["requests.cpu"], hard["pods"]) == ("3000m", "20")
    assert row(environment).state == "ready"
    event = AuditEvent.objects.get(action="environment.resize")
    assert (event.before["cpu"], event.after["cpu"], event.operation_id) == ("1", "3", operation.pk)


def test_the_same_share_again_asks_for_nothing(environment):
    before = Operation.objects.count()
    assert environments.resize_environment(environment=environment, share=SHARE, by=None) is None
    assert Operation.objects.count() == before


def test_a_share_below_what_is_in_use_is_refused(environment):
    Environment.objects.update(used=Resources(cpu=900, memory=GIB, pods=4).parts())
    environment.refresh_from_db()
    with pytest.raises(ValueRefused) as refused:
        environments.resize_environment(
            environment=environment, share=Resources(cpu=500, memory=2 * GIB, pods=10), by=None
        )
    assert refused.value.field == "cpu"
    assert "900m" in refused.value.why
    assert row(environment).resources == SHARE


def test_a_cancelled_resize_gives_the_old_share_back_and_cannot_be_resumed(
    environment, tenant, operator, kube
):
    bigger = Resources(cpu=3000, memory=4 * GIB, storage=10 * GIB, pods=20)
    operation = environments.resize_environment(environment=environment, share=bigger, by=operator)
    operations.cancel_operation(operation=operation, by=operator)
    assert (row(environment).resources, row(environment).state) == (SHARE, "ready")
    assert quotas.free_for(tenant) == ROOM - SHARE
    operations.resume_operation(operation=operation, by=operator)
    carry_out(operation)
    assert operation.state == State.FAILED
    assert (row(environment).resources, row(environment).state) == (SHARE, "ready")
    assert kube.objects[QUOTA]["spec"]["hard"]["requests.cpu"] == "1000m"


def test_one_change_at_a_time(environment):
    environments.freeze_environment(environment=environment, by=None)
    with pytest.raises(SubjectBusy):
        environments.resize_environment(environment=environment, share=ROOM, by=None)
    assert row(environment).resources == SHARE


def test_frozen_means_no_new_pods_and_an_account_that_only_looks(environment, kube):
    for number, phase in enumerate(["Running", "Pending", "Succeeded"]):
        kube.objects[f"{NAMESPACE}/pods/p{number}"] = {
            "metadata": {"name": f"p{number}"},
            "status": {"phase": phase},
        }
    carry_out(environments.freeze_environment(environment=environment, by=None))
    frozen = row(environment)
    assert (frozen.state, frozen.frozen_pods) == ("frozen", 2)
    assert kube.objects[QUOTA]["spec"]["hard"]["pods"] == "2"
    verbs = {verb for rule in kube.objects[ROLE]["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}
    with pytest.raises(EnvironmentRefused) as refused:
        environments.resize_environment(environment=frozen, share=ROOM, by=None)
    assert "Thaw" in refused.value.remedy
    carry_out(environments.thaw_environment(environment=frozen, by=None))
    assert (row(environment).state, kube.objects[QUOTA]["spec"]["hard"]["pods"]) == ("ready", "10")
    assert "create" in {verb for rule in kube.objects[ROLE]["rules"] for verb in rule["verbs"]}


def test_a_cancelled_freeze_leaves_it_unfrozen(environment, operator):
    operation = environments.freeze_environment(environment=environment, by=operator)
    operations.cancel_operation(operation=operation, by=operator)
    assert (row(environment).frozen, row(environment).state) == (False, "ready")


def test_what_is_not_frozen_cannot_be_thawed(environment):
    with pytest.raises(EnvironmentRefused):
        environments.thaw_environment(environment=environment, by=None)


# --- removing one --------------------------------------------------------------------------------


def test_removal_wants_the_name_and_leaves_nothing(environment, kube, tenant, operator):
    with pytest.raises(ValueRefused) as refused:
        environments.remove_environment(environment=environment, by=operator, confirm_name="dev")
    assert "retail-dev" in refused.value.remedy
    operation = environments.remove_environment(
        environment=environment, by=operator, confirm_name="retail-dev"
    )
    assert row(environment).state == "removing"
    assert carry_out(operation).state == State.SUCCEEDED
    assert kube.objects == {}
    assert not Environment.objects.exists()
    assert quotas.free_for(tenant) == ROOM
    assert actions()[-1] == "environment.removed"
    assert not DueRow.objects.filter(name__startswith="clusters.environments").exists()


def test_a_protected_one_stays_until_the_protection_is_lifted(tenant, cluster, operator):
    prod = make(tenant, cluster, name="prod", stage="prod")
    assert prod.protected
    with pytest.raises(EnvironmentRefused):
        environments.remove_environment(environment=prod, by=operator, confirm_name="retail-prod")
    environments.protect_environment(environment=prod, protected=False, by=operator)
    operation = environments.remove_environment(environment=prod, by=operator, confirm_name="retail-prod")
    assert carry_out(operation).state == State.SUCCEEDED
    assert "environment.unprotect" in actions()


def test_a_namespace_that_does_not_go_says_what_holds_it_and_resume_ends_it(
    environment, kube, operator, monkeypatch
):
    monkeypatch.setattr("clusters.services.environment_steps.REMOVAL_PATIENCE", 0.0)
    monkeypatch.setattr("clusters.services.environment_steps._LOOK", 0.0)
    kube.stuck = (
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    )
    operation = environments.remove_environment(
        environment=environment, by=operator, confirm_name="retail-dev"
    )
    assert carry_out(operation).state == State.FAILED
    assert "example.com/hold" in operation.failure["why"]
    stuck = row(environment)
    assert (stuck.state, "does not go" in stuck.state_reason["what"]) == ("removing", True)
    with pytest.raises(EnvironmentRefused):
        environments.freeze_environment(environment=stuck, by=operator)
    kube.stuck = ""
    kube.delete(NAMESPACE)
    operations.resume_operation(operation=operation, by=operator)
    assert carry_out(operation).state == State.SUCCEEDED
    assert not Environment.objects.exists()


def test_a_namespace_made_anew_by_somebody_else_meanwhile_is_not_deleted(environment, kube, operator):
    theirs = {"metadata": {"name": "retail-dev", "uid": "theirs", "labels": {}}}
    kube.objects[NAMESPACE] = theirs
    operation = environments.remove_environment(
        environment=environment, by=operator, confirm_name="retail-dev"
    )
    assert carry_out(operation).state == State.SUCCEEDED
    assert kube.objects[NAMESPACE] == theirs


def test_a_cluster_that_is_gone_can_be_given_up(environment, kube, operator):
    kube.down = ClusterUnreachable("away", "no route", "Look.")
    operation = environments.remove_environment(
        environment=environment, by=operator, confirm_name="retail-dev"
    )
    assert carry_out(operation).state == State.FAILED
    again = environments.remove_environment(
        environment=row(environment), by=operator, confirm_name="retail-dev", give_up=True
    )
    assert carry_out(again).state == State.SUCCEEDED
    assert not Environment.objects.exists()
    assert again.lines.filter(level="warning", text__contains="Given up").exists()


def test_a_cancelled_removal_says_that_only_going_on_ends_it(environment, operator):
    operation = environments.remove_environment(
        environment=environment, by=operator, confirm_name="retail-dev"
    )
    operations.cancel_operation(operation=operation, by=operator)
    stopped = row(environment)
    assert (stopped.state, "Resume" in stopped.state_reason["remedy"]) == ("removing", True)


def test_a_cluster_with_environments_is_not_reset(environment, cluster, operator):
    with pytest.raises(deployment.DeploymentRefused) as refused:
        deployment.reset_cluster(cluster=cluster, by=operator, confirm_name=cluster.name)
    assert "retail-dev" in refused.value.why


def test_a_cluster_with_environments_is_looked_at_every_minute(environment, cluster):
    due = DueRow.objects.get(name=f"clusters.environments:{cluster.pk}")
    assert (due.every, due.arguments) == (60, {"cluster_pk": cluster.pk})
