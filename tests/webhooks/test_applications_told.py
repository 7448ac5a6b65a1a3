"""What programs are told of applications: publishing, deploying, returning, healing; by a call to a real server."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.models import App, Release, Workload
from apps.services import apps as registering
from apps.services import deployments, healing, healing_rounds, releases
from kcloud_site.webhooks.models import Delivery
from kcloud_site.webhooks.services import collecting, delivering
from kcloud_site.webhooks.services import webhooks as services
from tests.apps.things import (
    BAD_IMAGE,
    carry_out,
    make_app,
    make_environment,
    make_release,
    web_spec,
)
from tests.webhooks.receivers import listening

pytestmark = pytest.mark.django_db
SECRET = "planted-in-a-variable-4711"
WORKLOAD = "/tenants/retail/apps/web/in/dev/"


@pytest.fixture
def receiver(settings):
    settings.WEBHOOKS_INTERNAL = True
    settings.PUBLIC_URL = "https://kcloud.example.com"
    with listening() as found:
        yield found


@pytest.fixture
def place(monkeypatch, tenant):
    environment, cluster = make_environment(monkeypatch, tenant)
    cluster.bad.add(BAD_IMAGE)
    return environment, cluster


@pytest.fixture
def secret(receiver, tenant, place):
    """The webhook's; from here on it is told."""
    collecting.collect(now=timezone.now())
    events = ["release.", "deployment.", "healing."]
    _made, shown = services.create_webhook(tenant=tenant, name="ci", url=receiver.url, events=events, by=None)
    return shown


def spec(image=None):
    found = web_spec(image) if image else web_spec()
    found["containers"][0]["environment"] = {"PASSWORD": SECRET}
    return found


def told(receiver, secret):
    """What arrived since the last time, by type; every message signed, and none with a secret."""
    collecting.collect(now=timezone.now())
    while delivering.deliver(now=timezone.now()):
        pass
    came, receiver.came = receiver.came, []
    key = base64.b64decode(secret.removeprefix("whsec_"))
    for _path, headers, body in came:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"
        assert SECRET.encode() not in body
        assert key not in body
        assert secret.encode() not in body
    messages = [json.loads(body) for _path, _headers, body in came]
    assert all(message["timestamp"] for message in messages)
    assert all(message["data"]["tenant"] == "retail" for message in messages)
    return {message["type"]: message["data"] for message in messages}


def where(data):
    return data["application"], data["environment"], data["link"].removeprefix("https://kcloud.example.com")


def deploy(app, place, release, operator):
    made = deployments.deploy_release(app=app, environment=place[0], release=release, by=operator)
    return carry_out(made)


@pytest.fixture
def running(place, tenant, operator):
    """Release 1.0 runs in dev, told before the webhook was there."""
    app = make_app(tenant)
    deploy(app, place, make_release(app, "1.0", spec()), operator)
    return app


def test_a_release_that_was_published(receiver, secret, tenant, operator, monkeypatch):
    monkeypatch.setattr(releases, "pinned", lambda checked, _tenant, _by: checked)
    app = make_app(tenant)
    releases.publish_release(app=app, version="2.1", spec=spec(), by=operator, notes="Faster")
    data = told(receiver, secret)["release.publish"]
    assert where(data) == ("web", None, "/tenants/retail/apps/web/releases/1/")
    assert data["actor"] == "operator"
    assert (data["after"]["version"], data["reason"]) == ("2.1", "Faster")
    assert data["after"]["images"][0].startswith("registry.example/retail/web@sha256:")


def test_a_deployment_asked_for_and_what_became_of_it(running, secret, receiver, place, operator):
    made = deploy(running, place, make_release(running, "1.1", spec()), operator)
    data = told(receiver, secret)
    assert set(data) == {"deployment.deploy", "deployment.available"}
    for each in data.values():
        assert where(each) == ("web", "dev", WORKLOAD)
        assert each["operation_id"] == made.operation_id
        assert each["after"]["release"] == "1.1"
    assert data["deployment.deploy"]["before"]["release"] == "1.0"
    assert data["deployment.deploy"]["actor"] == "operator"
    assert data["deployment.available"]["actor_kind"] == "system"


def test_a_bad_release_that_went_back_by_itself(running, secret, receiver, place, operator):
    made = deploy(running, place, make_release(running, "1.1", spec(BAD_IMAGE)), operator)
    assert made.state == "returned"
    data = told(receiver, secret)
    assert set(data) == {"deployment.deploy", "deployment.pin", "deployment.returned"}
    assert where(data["deployment.returned"]) == ("web", "dev", WORKLOAD)
    assert data["deployment.returned"]["after"]["release"] == "1.0"
    assert data["deployment.returned"]["reason"]
    assert data["deployment.pin"]["after"]["release"] == "1.1"


def crash(cluster):
    for name, each in cluster.objects.items():
        if "/pods/" in name:
            (container,) = each["status"]["containerStatuses"]
            container.update(ready=False, restartCount=5, state={"waiting": {"reason": "CrashLoopBackOff"}})
            container["lastState"] = {"terminated": {"reason": "Error", "exitCode": 1}}
    Workload.objects.update(state="down", seen_at=timezone.now())


def test_self_healing_and_what_it_did(running, secret, receiver, place, monkeypatch):
    monkeypatch.setattr(healing_rounds, "_is_due", lambda _workload: False)
    crash(place[1])
    assert healing_rounds.look_after() == 1
    data = told(receiver, secret)
    assert set(data) == {"healing.done", "deployment.restart"}
    healed = data["healing.done"]
    assert where(healed) == ("web", "dev", WORKLOAD)
    assert (healed["actor_kind"], healed["actor"]) == ("rule", "self-healing")
    assert (healed["after"]["rung"], healed["after"]["why"]) == ("restart", "crash-loop")
    assert "exit code 1" in healed["after"]["evidence"]
    assert healed["operation_id"] == data["deployment.restart"]["operation_id"]


def test_a_suggestion_and_the_answer_of_a_person(running, secret, receiver, place, operator, monkeypatch):
    monkeypatch.setattr(healing_rounds, "_is_due", lambda _workload: False)
    workload = Workload.objects.get()
    healing.set_consents(workload=workload, modes={"restart": "approve"}, by=operator)
    crash(place[1])
    healing_rounds.look_after()
    assert set(told(receiver, secret)) == {"healing.consent", "healing.open"}
    healing.approve(decision=workload.healing_decisions.get(), by=operator)
    data = told(receiver, secret)
    assert set(data) == {"healing.approve", "deployment.restart"}
    assert data["healing.approve"]["actor"] == "operator"


def test_what_others_wrote_into_objects_stays_in_the_portal(running, secret, receiver, place, monkeypatch):
    monkeypatch.setattr(healing_rounds, "_is_due", lambda _workload: True)
    path = "/apis/apps/v1/namespaces/retail-dev/deployments/web"
    (container,) = place[1].objects[path]["spec"]["template"]["spec"]["containers"]
    container["image"] = f"registry.example/{SECRET}"
    Workload.objects.update(state="healthy", seen_at=timezone.now())
    assert healing_rounds.look_after() == 1
    data = told(receiver, secret)["healing.done"]
    assert data["after"]["items"] == ["Deployment web"]
    assert "differences" not in data["after"]


def test_a_receiver_in_trouble_hears_of_a_deployment_later(running, secret, receiver, place, operator):
    receiver.status = 503
    deploy(running, place, make_release(running, "1.1", spec()), operator)
    assert len(told(receiver, secret)) == 2
    assert set(Delivery.objects.values_list("state", "status", "attempts")) == {("pending", 503, 1)}
    assert delivering.deliver(now=timezone.now()) == 0
    receiver.status = 204
    delivering.deliver(now=timezone.now() + timedelta(minutes=1))
    assert len(receiver.came) == 2
    assert set(Delivery.objects.values_list("state", "status", "attempts")) == {("delivered", 204, 2)}


def test_what_is_gone_by_then_is_still_named(secret, receiver, tenant, operator):
    app = registering.register_app(tenant=tenant, name="web", by=operator)
    services.revise_webhook(
        webhook=services.Webhook.objects.get(), url=receiver.url, events=["app."], enabled=True, by=None
    )
    registering.remove_app(app=app, by=operator, confirm_name="web")
    data = told(receiver, secret)["app.remove"]
    assert (data["application"], data["link"]) == ("web", None)


def test_many_messages_ask_no_more_of_the_database_than_one(
    secret, tenant, operator, django_assert_max_num_queries
):
    for number in range(30):
        app = App.objects.create(tenant=tenant, name=f"web-{number}")
        releases._save(Release(tenant=tenant, app=app, version="1", spec={"containers": []}), operator)
    with django_assert_max_num_queries(13):
        assert collecting.collect(now=timezone.now()) == 30
