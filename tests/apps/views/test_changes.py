"""Scale, stop, start, restart, undo, the bin, deployments and pods as pages."""

import pytest
from django.urls import reverse

from apps.models import Deployment, Pin, SeenPods, Workload
from apps.services import deployments
from kcloud_site.operations.models import Operation, State
from tests.apps.things import carry_out, make_app, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def running(tenant, place, operator):
    """Release 1.0 with two pods in dev."""
    app = make_app(tenant)
    made = deployments.deploy_release(
        app=app, environment=place[0], release=make_release(app), by=operator, replicas=2
    )
    assert carry_out(made).state == "succeeded"
    return Workload.objects.get()


@pytest.fixture
def developer(client, tenant, join):
    client.force_login(join(tenant, "developer"))
    return client


@pytest.fixture
def lead(client, tenant, join):
    client.force_login(join(tenant, "operator"))
    return client


def address(name, *more):
    return reverse(f"apps:{name}", args=["retail", "web", "dev", *more])


def newest():
    return Deployment.objects.order_by("-number").first()


def post(client, name, /, *more, **given):
    """Send the form, carry the operation out, answer the page it leads to."""
    answer = client.post(address(name, *more), given)
    assert answer.status_code == 303, answer.content.decode()
    carry_out(newest())
    return client.get(answer["Location"]).content.decode()


def test_scaling_leads_to_the_page_of_its_deployment(developer, running):
    page = post(developer, "scale", replicas=3, note="sale")
    assert "Scale" in page
    assert "sale" in page
    assert Workload.objects.get().observed["available"] == 3


@pytest.mark.parametrize("replicas", ["-1", "1001", "", "many"])
def test_no_number_of_pods_is_marked_at_its_field(developer, running, replicas):
    answer = developer.post(address("scale"), {"replicas": replicas})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()


def test_stop_and_start_change_places(developer, running):
    post(developer, "stop")
    assert Workload.objects.get().state == "stopped"
    again = developer.post(address("stop"), {})
    assert again.status_code == 422
    assert "stopped already" in again.content.decode()
    assert "2 pods" in developer.get(address("start")).content.decode()
    post(developer, "start")
    assert Workload.objects.get().state == "healthy"


def test_undo_says_what_it_goes_back_to_before_it_does(developer, running, place, operator):
    second = make_release(running.app, "1.1")
    carry_out(deployments.deploy_release(app=running.app, environment=place[0], release=second, by=operator))
    said = "Back to release 1.0"
    assert said in developer.get(address("deployments")).content.decode()
    assert said in developer.get(address("undo")).content.decode()
    post(developer, "undo")
    assert Workload.objects.get().release.version == "1.0"


def test_nothing_to_undo_is_said_without_a_button_that_cannot_work(developer, running):
    page = developer.get(address("undo")).content.decode()
    assert "There is nothing to undo" in page
    assert ">Undo</button>" not in page
    assert developer.post(address("undo"), {}).status_code == 422


def test_a_restart_makes_every_pod_anew(developer, running):
    post(developer, "restart")
    assert Workload.objects.get().restarted_at is not None


def test_the_second_of_two_people_meets_the_first_ones_operation(developer, running, operator):
    first = deployments.scale_workload(workload=running, replicas=3, by=operator)
    answer = developer.post(address("scale"), {"replicas": 5})
    assert answer.status_code == 409
    assert f"/operations/{first.operation_id}/" in answer.content.decode()
    assert Workload.objects.get().replicas == 3
    assert Operation.objects.filter(state=State.PENDING).count() == 1


def test_who_only_looks_finds_pages_and_no_forms(client, tenant, join, running):
    client.force_login(join(tenant, "viewer"))
    for name in ("deployments", "pods", "events"):
        page = client.get(address(name))
        assert page.status_code == 200
        assert address("undo") not in page.content.decode()
    assert client.get(address("deployment", 1)).status_code == 200
    for name in ("scale", "stop", "start", "restart", "undo", "workload_remove"):
        assert client.post(address(name), {}).status_code == 403


def test_a_protected_environment_asks_a_developer_for_more(developer, running, place):
    type(place[0]).objects.update(protected=True)
    assert developer.post(address("stop"), {}).status_code == 403


def test_what_is_removed_waits_in_the_bin_and_comes_back(lead, running):
    assert lead.post(address("workload_remove"), {"name": "wep"}).status_code == 422
    post(lead, "workload_remove", name="web")
    listed = reverse("apps:bin", args=["retail"])
    assert "web" in lead.get(listed).content.decode()
    answer = lead.post(reverse("apps:bin_restore", args=["retail", running.pk]), {})
    assert answer["Location"] == address("deployment", 3)
    carry_out(newest())
    assert Workload.objects.get().state == "healthy"
    assert "The bin is empty" in lead.get(listed).content.decode()


def test_what_is_deleted_for_good_needs_its_name_typed(lead, running):
    post(lead, "workload_remove", name="web")
    place = reverse("apps:bin_empty", args=["retail", running.pk])
    assert lead.post(place, {"name": "no"}).status_code == 422
    assert lead.post(place, {"name": "web"}).status_code == 303


def test_a_release_that_failed_is_shown_with_its_reason_and_let_in_again(developer, running, place, operator):
    place[1].bad.add("registry.example/retail/web@sha256:" + "c" * 64)
    bad = make_release(running.app, "1.1", web_spec("registry.example/retail/web@sha256:" + "c" * 64))
    made = deployments.deploy_release(app=running.app, environment=place[0], release=bad, by=operator)
    assert carry_out(made).state == "returned"
    page = developer.get(address("deployment", made.number)).content.decode()
    assert "ended with code 1" in page
    assert "Release 1.0 runs again" in page
    pin = Pin.objects.get()
    assert address("pin_lift", pin.pk) in developer.get(address("deployments")).content.decode()
    assert developer.post(address("pin_lift", pin.pk)).status_code == 303
    assert not Pin.objects.filter(lifted_at__isnull=True).exists()


def test_pods_are_listed_worst_first_in_pages_and_one_shows_its_containers(developer, running):
    rows = [
        {"name": f"web-{number}", "ready": number > 0, "reason": "", "message": ""} for number in range(60)
    ]
    SeenPods.objects.create(tenant=running.tenant, workload=running, rows=rows, total=60)
    assert "web-59" not in developer.get(address("pods")).content.decode()
    assert "web-59" in developer.get(address("pods") + "?page=2").content.decode()
    page = developer.get(address("pod", "web-0")).content.decode()
    assert "registry.example/retail/web" in page


def test_a_pod_of_another_application_is_not_there(developer, running, place):
    place[1].objects["/api/v1/namespaces/retail-dev/pods/api-0"] = {
        "metadata": {"name": "api-0", "namespace": "retail-dev", "labels": {"kcloud.local/app": "api"}}
    }
    assert developer.get(address("pod", "api-0")).status_code == 404
    assert developer.get(address("pod", "none")).status_code == 404


def test_events_are_those_of_the_application_newest_first(developer, running, place):
    for name, about, at in (("a", "web-0", "2026-01-01T00:00:00Z"), ("b", "webshop", "2026-01-02T00:00:00Z")):
        place[1].objects[f"/api/v1/namespaces/retail-dev/events/{name}"] = {
            "metadata": {"name": name},
            "type": "Warning",
            "reason": "BackOff",
            "message": f"said of {about}",
            "involvedObject": {"kind": "Pod", "name": about},
            "lastTimestamp": at,
        }
    page = developer.get(address("events")).content.decode()
    assert "said of web-0" in page
    assert "said of webshop" not in page
