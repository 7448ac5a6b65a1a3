"""Choose, preview, confirm: as each role, and with what goes wrong on the way."""

import re

import pytest
from django.urls import reverse

from apps.models import Deployment, Pin, Release, Workload
from apps.services import deployments
from clusters.errors import ClusterUnreachable
from tests.apps.things import carry_out, make_app, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db
OTHER = "registry.example/retail/web@sha256:" + "d" * 64
GIVEN = {"release": "1", "type": "rolling", "surge": "25%", "unavailable": "0", "timeout": "60"}


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def app(tenant):
    return make_app(tenant)


@pytest.fixture
def developer(client, tenant, join):
    client.force_login(join(tenant, "developer"))
    return client


def address(name, *more):
    return reverse(f"apps:{name}", args=["retail", "web", "dev", *more])


def sent_by(page):
    """The fields of the preview's form."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def test_the_whole_path_from_the_form_to_the_deployment(developer, app, place):
    make_release(app)
    assert "for the first time" in developer.get(address("deploy")).content.decode()
    page = developer.get(address("preview"), {**GIVEN, "replicas": "2"}).content.decode()
    assert "create" in page
    assert not Workload.objects.exists()
    answer = developer.post(address("deploy"), sent_by(page))
    assert answer["Location"] == address("deployment", 1)
    carry_out(Deployment.objects.get())
    assert Workload.objects.get().observed["available"] == 2
    assert "It did what was asked" in developer.get(answer["Location"]).content.decode()


def test_a_preview_shows_the_fields_that_change(developer, app, place, operator):
    first = make_release(app)
    carry_out(deployments.deploy_release(app=app, environment=place[0], release=first, by=operator))
    make_release(app, "1.1", web_spec(OTHER))
    page = developer.get(address("preview"), {**GIVEN, "release": "2"}).content.decode()
    assert "containers.web.image" in page
    assert OTHER in page
    assert "Deploy now" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"release": "9"},
        {"type": "magic"},
        {"surge": "0", "unavailable": "0"},
        {"surge": "lots"},
        {"timeout": "1"},
        {"replicas": "-1"},
        {"config_revision": "77"},
    ],
)
def test_what_cannot_be_is_marked_and_nothing_happens(developer, app, place, wrong):
    make_release(app)
    for answer in (
        developer.get(address("preview"), {**GIVEN, **wrong}),
        developer.post(address("deploy"), {**GIVEN, **wrong}),
    ):
        assert answer.status_code == 422
    assert not Deployment.objects.exists()


def test_a_blocked_preview_has_no_button(developer, app, place):
    make_release(app)
    place[1].objects["/api/v1/namespaces/retail-dev/resourcequotas/share"] = {
        "metadata": {"name": "share", "namespace": "retail-dev"},
        "status": {"hard": {"pods": "1"}, "used": {"pods": "1"}},
    }
    page = developer.get(address("preview"), GIVEN).content.decode()
    assert "The quota does not suffice" in page
    assert "Deploy now" not in page


def test_a_cluster_that_does_not_answer_is_said_on_the_form(developer, app, place):
    make_release(app)
    place[1].down = ClusterUnreachable("The cluster does not answer.")
    answer = developer.get(address("preview"), GIVEN)
    assert (answer.status_code, "does not answer" in answer.content.decode()) == (422, True)


def test_a_release_that_is_kept_out_or_gone_meanwhile_is_refused_clearly(developer, app, place, operator):
    release = make_release(app)
    made = deployments.deploy_release(app=app, environment=place[0], release=release, by=operator)
    carry_out(made)
    second = make_release(app, "1.1")
    workload = Workload.objects.get()
    deployments.pin_release(workload, second, {"what": "It never came up", "why": "", "remedy": ""})
    assert "It never came up" in developer.get(address("deploy")).content.decode()
    assert developer.post(address("deploy"), {**GIVEN, "release": "2"}).status_code == 422
    Pin.objects.all().delete()
    Release.objects.filter(pk=second.pk).delete()
    assert developer.post(address("deploy"), {**GIVEN, "release": "2"}).status_code == 422
    assert Deployment.objects.count() == 1


def test_the_second_of_two_people_is_led_to_the_first_ones_deployment(developer, app, place, operator):
    release = make_release(app)
    first = deployments.deploy_release(app=app, environment=place[0], release=release, by=operator)
    answer = developer.post(address("deploy"), GIVEN)
    assert answer.status_code == 409
    assert f"/operations/{first.operation_id}/" in answer.content.decode()


def test_who_only_looks_may_not_deploy(client, tenant, join, app, place):
    client.force_login(join(tenant, "viewer"))
    assert client.get(address("deploy")).status_code == 403
    assert client.get(address("preview"), GIVEN).status_code == 403


def test_a_protected_environment_asks_for_more(developer, app, place):
    type(place[0]).objects.update(protected=True)
    make_release(app)
    assert developer.post(address("deploy"), GIVEN).status_code == 403
