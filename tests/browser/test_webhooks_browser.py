"""Webhooks in Chromium: from making one to the message that arrived, and every page in both languages."""

import re

import pytest
from django.utils import timezone

from kcloud_site.tenants.models import User
from kcloud_site.webhooks.models import Delivery, Webhook
from kcloud_site.webhooks.services import delivering
from kcloud_site.webhooks.services import webhooks as services
from tests.webhooks.receivers import listening

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def receiver(settings):
    settings.WEBHOOKS_INTERNAL = True
    with listening() as found:
        yield found


@pytest.fixture
def hook(tenant, operator, receiver):
    """One whose receiver is in trouble: a message on its way, one that was given up, one that arrived."""
    made, _secret = services.create_webhook(
        tenant=tenant, name="ci", url=receiver.url, events=["release.", ""], by=operator
    )
    for number, state in enumerate(("delivered", "failed", "pending")):
        Delivery.objects.create(
            webhook=made,
            source=f"audit:{number}",
            event="deployment.returned",
            payload={
                "type": "deployment.returned",
                "data": {"link": "https://kcloud.example.com/" + "x" * 300},
            },
            state=state,
            attempts=number + 1,
            status=200 if state == "delivered" else None,
            milliseconds=12 if state == "delivered" else None,
            answer="ConnectTimeoutError: " + "no-answer-" * 40,
            next_at=timezone.now() + timezone.timedelta(hours=1) if state == "pending" else None,
        )
    return made


PAGES = ["", "new/", "{pk}/", "{pk}/?state=failed", "{pk}/edit/", "{pk}/remove/", "{pk}/deliveries/{sent}/"]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_is_sound(hook, signed_in, live_server, check_page, operator, language):
    User.objects.filter(pk=operator.pk).update(language=language)
    sent = Delivery.objects.get(state="failed").pk
    for page in PAGES:
        address = page.format(pk=hook.pk, sent=sent)
        assert signed_in.goto(f"{live_server.url}/tenants/retail/webhooks/{address}").status == 200
        check_page(signed_in)
        assert signed_in.locator("html").get_attribute("lang").startswith("zh" if language != "en" else "en")


def test_from_making_one_to_the_message_that_arrived(signed_in, live_server, tenant, receiver, check_page):
    page = signed_in
    page.goto(f"{live_server.url}/tenants/retail/")
    page.get_by_role("link", name="Webhooks", exact=True).click()
    page.get_by_role("link", name="New webhook").first.click()
    page.get_by_label("Name", exact=True).fill("ci")
    page.get_by_label("Address").fill("nonsense")
    page.get_by_role("button", name="Make the webhook").click()
    assert page.locator("#id_url_error").is_visible()
    page.get_by_label("Address").fill(receiver.url)
    page.get_by_role("button", name="Make the webhook").click()
    secret = page.get_by_text(re.compile(r"^whsec_")).inner_text()
    check_page(page)
    page.get_by_role("link", name="Go on").click()
    assert secret not in page.content()
    page.get_by_role("button", name="Send a test").click()
    assert page.get_by_role("link", name="webhook.test").is_visible()
    delivering.deliver(now=timezone.now())
    # The list looks again by itself.
    page.locator("#rows").get_by_text("Delivered").wait_for()
    assert len(receiver.came) == 1
    page.get_by_role("button", name="Pause").click()
    assert page.locator(".kc-chip").get_by_text("Paused").is_visible()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="New secret").click()
    assert page.get_by_text(re.compile(r"^whsec_")).inner_text() != secret
    page.get_by_role("link", name="Go on").click()
    page.get_by_role("link", name="Remove").click()
    page.get_by_label("Type ci to confirm").fill("ci")
    page.get_by_role("button", name="Remove the webhook").click()
    page.wait_for_url("**/webhooks/")
    assert not Webhook.objects.exists()
