"""Webhooks over the API: by tenant and right; the secret is shown once."""

import pytest
from django.utils import timezone

from kcloud_site.webhooks.errors import WebhookRefused
from kcloud_site.webhooks.models import Delivery, Webhook
from kcloud_site.webhooks.services import collecting
from kcloud_site.webhooks.services import webhooks as services
from tests.api.conftest import api, program  # noqa: F401

NEW = {
    "name": "ci",
    "tenant": "retail",
    "spec": {"url": "https://ci.example.com/", "events": ["environment."]},
}


@pytest.fixture
def owner(program, tenant, join):  # noqa: F811
    return program(join(tenant, "owner"))


def test_a_webhook_is_made_read_changed_and_removed(owner):
    made = owner.post("webhooks", NEW)
    assert made.status_code == 201, made.content
    assert made.json()["secret"].startswith("whsec_")
    path = made["Location"].removeprefix("/api/v1/")
    read = owner.get(path)
    assert "secret" not in read.json()
    assert owner.patch(path, {"spec": {"enabled": False}}).status_code == 428
    changed = owner.patch(path, {"spec": {"enabled": False}}, If_Match=read["ETag"])
    assert changed.json()["spec"] == {**NEW["spec"], "enabled": False}
    assert owner.post(f"{path}/secret").json()["secret"] != made.json()["secret"]
    assert owner.delete(path).status_code == 204
    assert not Webhook.objects.exists()


def test_its_deliveries_are_told_and_sent_again(owner, tenant):
    owner.post("webhooks", NEW)
    hook = Webhook.objects.get()
    row = Delivery.objects.create(
        webhook=hook, source="audit:1", event="environment.freeze", payload={}, state="failed"
    )
    told = owner.get(f"webhooks/{hook.pk}/deliveries").json()["results"]
    assert [each["id"] for each in told] == [row.pk]
    again = owner.post(f"webhooks/{hook.pk}/deliveries/{row.pk}/redeliver")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    assert owner.post(f"webhooks/{hook.pk}/deliveries/999/redeliver").status_code == 404


def test_a_test_is_on_its_way(owner):
    pk = owner.post("webhooks", NEW).json()["id"]
    answer = owner.post(f"webhooks/{pk}/test")
    assert (answer.status_code, answer.json()["event"], answer.json()["state"]) == (
        202,
        "webhook.test",
        "pending",
    )
    Webhook.objects.update(enabled=False)
    assert owner.post(f"webhooks/{pk}/test").status_code == 422


def test_outsiders_and_viewers(owner, program, tenant, other_tenant, join):  # noqa: F811
    pk = owner.post("webhooks", NEW).json()["id"]
    outsider, viewer = program(join(other_tenant, "owner")), program(join(tenant, "viewer"))
    assert outsider.get(f"webhooks/{pk}").status_code == 404
    assert outsider.get("webhooks").json()["count"] == 0
    assert outsider.post("webhooks", NEW).status_code == 422
    assert viewer.get(f"webhooks/{pk}").status_code == 200
    assert viewer.delete(f"webhooks/{pk}").status_code == 403
    assert owner.post("webhooks", {**NEW, "name": "all", "tenant": None}).status_code == 403


def test_a_refused_address_is_named_by_its_pointer(owner):
    answer = owner.post("webhooks", {**NEW, "spec": {"url": "http://127.0.0.1/", "events": ["x"]}})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/spec/url")
    assert collecting.collect(now=timezone.now()) == 0


@pytest.mark.parametrize("whose", ["the tenant's", "the platform's"])
def test_a_name_is_given_once(operator, tenant, whose):
    of = tenant if whose == "the tenant's" else None
    spec = {"url": "https://ci.example.com/", "events": ["environment."]}
    services.create_webhook(tenant=of, name="ci", by=operator, **spec)
    with pytest.raises(WebhookRefused, match="ci already") as refused:
        services.create_webhook(tenant=of, name="ci", by=operator, **spec)
    assert refused.value.field == "name"
    services.create_webhook(tenant=None if of else tenant, name="ci", by=operator, **spec)
    assert Webhook.objects.count() == 2
