"""Deploy and Reset in the console: the service decides, the page leads to the operation or says why not."""

import html

import pytest
from django.urls import reverse

from clusters.errors import ClusterError
from clusters.models import Cluster, Credential, Host, Region
from clusters.services import deployment, plans
from kcloud_site.operations.models import Operation

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster(operator):
    region = Region.objects.create(name="east")
    credential = Credential.objects.create(name="lab", username="kcloud", sealed_secret=b"x")
    for number, name in enumerate(["m1", "w1"], start=11):
        Host.objects.create(name=name, region=region, address=f"172.30.0.{number}", credential=credential)
    return plans.create_cluster(
        spec={
            "name": "prod",
            "region": "east",
            "version": "1.34.4",
            "masters": ["m1"],
            "pools": [{"name": "workers", "hosts": ["w1"]}],
        },
        by=operator,
    )


@pytest.fixture
def console(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def asked(monkeypatch):
    """What the service was asked for; it answers an operation."""
    calls = []

    def answer(**wanted):
        calls.append(wanted)
        return Operation.objects.create(
            kind="clusters.deploy",
            subject_type="clusters.cluster",
            subject_id="1",
            requested_by_name="operator",
        )

    monkeypatch.setattr(deployment, "deploy_cluster", answer)
    monkeypatch.setattr(deployment, "reset_cluster", answer)
    return calls


def test_deploy_leads_to_the_operation(console, cluster, asked):
    answer = console.post(reverse("clusters:deploy", args=["prod"]))
    assert (answer.status_code, answer.url) == (303, f"/operations/{Operation.objects.get().pk}/")
    assert asked[0]["cluster"] == cluster


def test_a_plan_nobody_checked_is_not_deployed_and_the_page_says_why(console, cluster):
    answer = console.post(reverse("clusters:deploy", args=["prod"]), follow=True)
    assert answer.redirect_chain == [("/clusters/prod/plan/", 303)]
    assert 'role="alert"' in answer.content.decode()
    assert not Operation.objects.filter(kind="clusters.deploy").exists()
    assert Cluster.objects.get().state == "draft"


def test_deploy_is_no_link(console, cluster):
    assert console.get(reverse("clusters:deploy", args=["prod"])).status_code == 405


@pytest.mark.parametrize("name", ["clusters:deploy", "clusters:reset"])
def test_only_operators_deploy_and_reset(client, person, cluster, asked, name):
    client.force_login(person)
    assert client.post(reverse(name, args=["prod"]), {"name": "prod"}).status_code == 403
    assert asked == []


def test_reset_asks_for_the_name_and_says_what_is_lost(console, cluster):
    Host.objects.update(cluster=cluster)
    page = html.unescape(console.get(reverse("clusters:reset", args=["prod"])).content.decode())
    assert 'pattern="prod"' in page
    assert "These hosts return to the pool, clean: m1, w1." in page


@pytest.mark.parametrize("typed", ["", "Prod", "prod ", "other"])
def test_reset_with_another_name_answers_422_and_touches_nothing(console, cluster, asked, typed):
    answer = console.post(reverse("clusters:reset", args=["prod"]), {"name": typed})
    # Blanks at the ends are the form's to strip: they are no other name.
    expected = 303 if typed.strip() == "prod" else 422
    assert answer.status_code == expected
    assert len(asked) == (expected == 303)


def test_reset_with_the_name_leads_to_the_operation_and_may_give_hosts_up(console, cluster, asked):
    answer = console.post(reverse("clusters:reset", args=["prod"]), {"name": "prod", "force": "on"})
    assert answer.status_code == 303
    assert (asked[0]["confirm_name"], asked[0]["force"]) == ("prod", True)


def test_a_refused_reset_says_why_on_the_form(console, cluster, monkeypatch):
    def refuse(**wanted):
        raise ClusterError("prod is a draft", "nothing runs there", "Deploy it first")

    monkeypatch.setattr(deployment, "reset_cluster", refuse)
    answer = console.post(reverse("clusters:reset", args=["prod"]), {"name": "prod"})
    assert answer.status_code == 422
    assert "nothing runs there" in answer.content.decode()


def test_a_cluster_that_was_imported_is_not_reset(console, db):
    Cluster.objects.create(name="foreign", origin="imported")
    assert console.get(reverse("clusters:reset", args=["foreign"])).status_code == 404
