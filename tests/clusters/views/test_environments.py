"""Pages of environments through Django's client, on a cluster in memory."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from clusters.errors import ClusterUnreachable
from clusters.models import Environment
from clusters.services import environments
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.services import grants, tenants
from tests.clusters.environments import GIB, ask, carry_out, fake_cluster, give_quota, make, newest
from tests.clusters.kube_objects import make_cluster

pytestmark = pytest.mark.django_db

NEW = {
    "name": "test",
    "stage": "test",
    "cluster": "dev",
    "cpu": "1500m",
    "memory": "2Gi",
    "storage": "",
    "pods": "5",
    "gpus": "",
}


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


@pytest.fixture
def see(client):
    def open_page(person, name, *arguments, query="", htmx=False, status=200):
        client.force_login(person)
        headers = {"HX-Request": "true"} if htmx else {}
        answer = client.get(reverse(f"clusters:{name}", args=arguments) + query, headers=headers)
        assert answer.status_code == status
        return answer.content.decode()

    return open_page


@pytest.fixture
def send(client):
    def post(person, page, *arguments, **data):
        client.force_login(person)
        return client.post(reverse(f"clusters:{page}", args=arguments), data)

    return post


def test_each_sees_their_own_and_operators_see_all(see, environment, other_tenant, place, join, operator):
    give_quota(other_tenant)
    make(other_tenant, place[0], name="dev")
    page = see(join(other_tenant, "viewer"), "all_environments")
    assert "logistics-dev" in page
    assert "retail-dev" not in page
    page = see(operator, "all_environments")
    assert "logistics-dev" in page
    assert "retail-dev" in page
    assert "retail-dev" in see(operator, "cluster_environments", "dev")
    assert "logistics-dev" not in see(operator, "environments", "retail")


def test_a_list_costs_the_same_for_one_and_for_many(see, environment, tenant, place, operator):
    for name in ("environments", "all_environments"):
        arguments = ("retail",) if name == "environments" else ()
        see(operator, name, *arguments)
        with CaptureQueriesContext(connection) as few:
            see(operator, name, *arguments)
        for number in range(3):
            Environment.objects.create(
                tenant=tenant,
                cluster=place[0],
                name=f"{name[:3]}{number}",
                namespace=f"retail-{name[:3]}{number}",
                drift=[{"kind": "Role", "name": "x", "what": "missing"}],
                state="drifted",
            )
        with CaptureQueriesContext(connection) as many:
            see(operator, name, *arguments)
        assert len(many) == len(few)


def test_the_worst_stand_first_and_filters_find(see, environment, tenant, place, operator):
    kube = place[1]
    kube.down = ClusterUnreachable("The API server does not answer.")
    carry_out(newest(ask(tenant, place[0], name="test", stage="test")))
    page = see(operator, "environments", "retail")
    assert page.index("retail-test") < page.index("retail-dev")
    assert "The API server does not answer." in page
    assert "retail-dev" not in see(operator, "environments", "retail", query="?state=failed")
    assert "retail-dev" not in see(operator, "environments", "retail", query="?stage=test")
    assert "No environment matches" in see(operator, "environments", "retail", query="?q=zzz")


def test_an_empty_list_names_the_next_action(see, tenant, operator, join):
    assert reverse("clusters:environment_create", args=["retail"]) in see(operator, "environments", "retail")
    page = see(join(tenant, "developer"), "environments", "retail")
    assert "No environment yet" in page
    assert reverse("clusters:environment_create", args=["retail"]) not in page
    assert reverse("clusters:request_create", args=["retail"]) in page


def test_the_page_shows_share_use_objects_and_what_one_may_do(see, environment, join, tenant, operator):
    Environment.objects.update(used={"cpu": 250, "memory": GIB, "storage": 0, "pods": 3, "gpus": 0})
    page = see(join(tenant, "viewer"), "environment", "retail", "dev")
    assert "0.25 cores" in page
    assert "kcloud-default-deny" in page
    for word in ("Resize", "Freeze", "Remove", "Repair by hand", "Protect it"):
        assert word not in page
    page = see(join(tenant, "owner"), "environment", "retail", "dev")
    for word in ("Resize", "Freeze", "Remove", "Repair by hand", "Protect it"):
        assert word in page
    assert reverse("clusters:detail", args=["dev"]) not in page
    assert reverse("clusters:detail", args=["dev"]) in see(operator, "environment", "retail", "dev")


def test_a_difference_is_shown_with_what_it_should_be_and_whose_hand_it_was(see, environment, operator):
    drift = {
        "kind": "ResourceQuota",
        "name": "kcloud-share",
        "what": "changed",
        "where": "spec.hard.pods",
        "wanted": "10",
        "found": "<b>1000</b>",
        "by": "kubectl-edit, 2026-11-27T10:00:00Z",
    }
    Environment.objects.update(state="drifted", drift=[drift])
    page = see(operator, "environment", "retail", "dev", htmx=True)
    assert "spec.hard.pods" in page
    assert "&lt;b&gt;1000&lt;/b&gt;" in page
    assert "kubectl-edit" in page
    assert reverse("clusters:environment_repair", args=["retail", "dev"]) in page
    assert "<html" not in page


def test_a_failed_creation_offers_resume_to_whoever_may(see, tenant, place, operator, join):
    place[1].down = ClusterUnreachable("The API server does not answer.", "no route", "Look at the network.")
    made = ask(tenant, place[0])
    carry_out(newest(made))
    resume = reverse("operations:resume", args=[newest(made).pk])
    page = see(operator, "environment", "retail", "dev")
    assert "no route" in page
    assert "Look at the network." in page
    assert resume in page
    assert resume not in see(join(tenant, "developer"), "environment", "retail", "dev")


def test_an_operator_makes_one_and_is_led_to_it(send, tenant, place, operator):
    answer = send(operator, "environment_create", "retail", **NEW)
    assert (answer.status_code, answer.url) == (303, reverse("clusters:environment", args=["retail", "test"]))
    made = Environment.objects.get()
    assert (made.cpu, made.memory, made.storage, made.protected) == (1500, 2 * GIB, 0, False)
    assert newest(made).requested_by == operator


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Not A Name", "cannot be the name"),
        ("cpu", "lots", "This is not an amount"),
        ("cpu", "-1", "less than nothing"),
        ("memory", "9" * 30, "more than any cluster has"),
        ("memory", "1", "too little"),
        ("pods", "", "required"),
        ("stage", "moon", "not one of the available"),
        ("cluster", "nowhere", "not one of the available"),
        ("cpu", "100", "quota does not hold"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_nothing_is_lost(
    send, tenant, place, operator, field, value, said
):
    answer = send(operator, "environment_create", "retail", **{**NEW, field: value})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert 'value="5"' in page or field == "pods"
    assert not Environment.objects.exists()


def test_a_share_is_resized_and_the_same_share_says_so(send, environment, join, tenant):
    person = join(tenant, "operator")
    share = {"cpu": "2", "memory": "2Gi", "storage": "10Gi", "pods": "10", "gpus": "0"}
    assert send(person, "environment_resize", "retail", "dev", **share).status_code == 303
    carry_out(newest(environment))
    environment.refresh_from_db()
    assert environment.cpu == 2000
    before = Operation.objects.count()
    assert send(person, "environment_resize", "retail", "dev", **share).status_code == 303
    assert Operation.objects.count() == before


def test_a_change_while_another_is_at_work_is_told_with_whose(send, environment, operator):
    environments.freeze_environment(environment=environment, by=operator)
    answer = send(operator, "environment_repair", "retail", "dev", reason="now")
    assert answer.status_code == 422
    assert f"op-{newest(environment).pk}" in answer.content.decode()


def test_freeze_thaw_protect_and_the_way_of_repair(send, environment, join, tenant):
    person = join(tenant, "owner")
    assert send(person, "environment_freeze", "retail", "dev", reason="audit week").status_code == 303
    assert newest(environment).reason == "audit week"
    carry_out(newest(environment))
    assert send(person, "environment_thaw", "retail", "dev").status_code == 303
    carry_out(newest(environment))
    send(person, "environment_protect", "retail", "dev", protected="on")
    send(person, "environment_repair_mode", "retail", "dev", repair="by-hand")
    send(person, "environment_repair_mode", "retail", "dev", repair="nonsense")
    environment.refresh_from_db()
    assert (environment.state, environment.protected, environment.repair) == ("ready", True, "by-hand")


def test_removal_names_the_volumes_and_wants_the_name(see, send, environment, kube, operator):
    claim = {"metadata": {"name": "data"}, "status": {"capacity": {"storage": "5Gi"}}}
    kube.objects["/api/v1/namespaces/retail-dev/persistentvolumeclaims/data"] = claim
    assert "data (5Gi)" in see(operator, "environment_remove", "retail", "dev")
    answer = send(operator, "environment_remove", "retail", "dev", name="dev")
    assert answer.status_code == 422
    assert Environment.objects.get().state == "ready"
    answer = send(operator, "environment_remove", "retail", "dev", name="retail-dev")
    assert answer.url == reverse("operations:detail", args=[newest(environment).pk])
    carry_out(newest(environment))
    see(operator, "environment", "retail", "dev", status=404)


def test_giving_a_cluster_up_is_for_operators_of_the_platform(
    see, send, environment, kube, join, tenant, operator
):
    kube.down = ClusterUnreachable("away")
    page = see(join(tenant, "owner"), "environment_remove", "retail", "dev")
    assert "could not be seen" in page
    assert "give_up" not in page
    assert "give_up" in see(operator, "environment_remove", "retail", "dev")
    send(
        join(tenant, "owner", "another"),
        "environment_remove",
        "retail",
        "dev",
        name="retail-dev",
        give_up="on",
    )
    assert newest(environment).inputs["give_up"] is False


def test_an_exception_lets_one_person_freeze_one_environment(
    send, see, environment, tenant, place, join, operator
):
    make(tenant, place[0], name="prod")
    person = join(tenant, "developer")
    assert send(person, "environment_freeze", "retail", "dev").status_code == 403
    grants.grant_right(
        tenant=tenant,
        user=person,
        right="environment.freeze",
        thing=environment,
        expires_at=timezone.now() + timedelta(days=1),
        reason="on call",
        by=operator,
    )
    assert "Freeze" in see(person, "environment", "retail", "dev")
    assert send(person, "environment_freeze", "retail", "dev").status_code == 303
    assert send(person, "environment_freeze", "retail", "prod").status_code == 403
    environment.refresh_from_db()
    carry_out(newest(environment))
    environment.refresh_from_db()
    removal = environments.remove_environment(environment=environment, by=operator, confirm_name="retail-dev")
    carry_out(removal)
    assert person.grants.get().ended_at is not None


def test_the_panel_of_the_tenants_home_lists_them(see, environment, join, tenant):
    page = see(join(tenant, "viewer"), "environments_panel", "retail")
    assert reverse("clusters:environment", args=["retail", "dev"]) in page
    assert "<html" not in page


def test_an_operation_leads_to_its_environment_and_to_a_choice_where_two_have_the_name(
    client, environment, place, tenant, other_tenant, operator, join
):
    address = reverse("clusters:environment_by_namespace", args=["retail-dev"])
    client.force_login(operator)
    assert address in client.get(reverse("operations:list")).content.decode()
    assert client.get(address).url == reverse("clusters:environment", args=["retail", "dev"])
    another = make_cluster("another")
    Environment.objects.create(tenant=other_tenant, cluster=another, name="x", namespace="retail-dev")
    assert client.get(address).url == reverse("clusters:all_environments") + "?q=retail-dev"
    client.force_login(join(other_tenant, "viewer"))
    assert client.get(address).url == reverse("clusters:environment", args=["logistics", "x"])
    client.force_login(join(tenants.create_tenant(name="third", title="Third", by=None), "owner"))
    assert client.get(address).status_code == 404
