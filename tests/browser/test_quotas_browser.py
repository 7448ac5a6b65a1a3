"""Quota and requests in Chromium: the way from asking to having, and every page at every width in both languages."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import expect

from clusters.models import Environment, TenantRequest
from clusters.services import quotas, requests
from kcloud_site.tenants.models import UsageSample, User
from kcloud_site.tenants.resources import Resources
from tests.clusters.environments import ROOM, SHARE, carry_out, fake_cluster, give_quota, make

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MORE = Resources(cpu=8000, memory=ROOM.memory)


@pytest.fixture
def place(monkeypatch):
    return fake_cluster(monkeypatch)


@pytest.fixture
def developer(tenant, join):
    return join(tenant, "developer")


@pytest.fixture
def as_person(open_context, live_server, settings):
    """The window of a person."""

    def opening(person, **options):
        window = open_context(**options)
        # A client of its own: signing somebody else in with the same one would end the first session.
        client = Client()
        client.force_login(person)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        window.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        return window

    return opening


def test_a_developer_asks_an_operator_approves_and_the_environment_is_there(
    as_person, tenant, place, developer, operator, live_server
):
    give_quota(tenant)
    asking = as_person(developer, viewport={"width": 375, "height": 800})
    asking.goto(f"{live_server.url}/tenants/retail/requests/new/")
    asking.get_by_role("link", name="Ask for an environment").click()
    asking.get_by_label("Name").fill("dev")
    for label, amount in (("CPU", "1"), ("Memory", "lots"), ("Pods", "10")):
        asking.get_by_label(label, exact=True).fill(amount)
    asking.get_by_label("What it is for").fill("a new shop")
    asking.get_by_role("button", name="Ask").click()
    expect(asking.get_by_label("Memory", exact=True)).to_be_focused()
    asking.get_by_label("Memory", exact=True).fill("2Gi")
    asking.get_by_role("button", name="Ask").click()
    asking.wait_for_url("**/requests/*/")
    assert asking.locator("h1").inner_text() == "Environment dev on dev"

    deciding = as_person(operator)
    deciding.goto(live_server.url)
    deciding.get_by_role("link", name="Environment dev on dev", exact=True).click()
    deciding.get_by_role("button", name="Approve").click()
    deciding.locator("#ap").get_by_label("Why").fill("welcome")
    deciding.locator("#ap").get_by_role("button", name="Approve").click()
    deciding.get_by_text("The portal is doing it").wait_for()
    carry_out(TenantRequest.objects.get().operation)

    asking.reload()
    assert asking.locator("main").get_by_text("welcome").is_visible()
    asking.locator("dl").get_by_role("link", name="dev", exact=True).click()
    asking.wait_for_url("**/environments/dev/")
    assert Environment.objects.get().resources == SHARE.floored() - Resources(storage=SHARE.storage)


def test_the_way_works_without_script(as_person, tenant, developer, operator, live_server):
    asked = requests.ask_for_quota(tenant=tenant, amount=MORE, reason="more", by=developer)
    deciding = as_person(operator, java_script_enabled=False)
    deciding.goto(f"{live_server.url}/tenants/retail/requests/{asked.pk}/")
    deciding.get_by_role("button", name="Decline").click()
    deciding.locator("#dc").get_by_label("Why").fill("use what is free")
    deciding.locator("#dc").get_by_role("button", name="Decline").click()
    assert deciding.get_by_text("Decided by operator.").is_visible()


@pytest.fixture
def filled(tenant, place, developer, operator):
    """Quota with a loan and a history, over it; one request of each kind and state, talked about."""
    give_quota(tenant)
    until = timezone.now() + timedelta(days=3)
    make(tenant, place[0], name="dev", share=ROOM - SHARE)
    quotas.lend(tenant=tenant, amount=MORE, until=until, by=operator, reason="load test of 12.12")
    make(tenant, place[0], name="prod", share=SHARE + Resources(cpu=1000))
    used = Resources(cpu=3500, memory=ROOM.memory // 2, pods=20)
    Environment.objects.update(used=used.parts(), seen_at=timezone.now())
    loan = quotas.lend(tenant=tenant, amount=MORE, until=until, by=operator, reason="gone")
    quotas.end_loan(loan=loan, by=None)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for back in range(150):
        amount = Resources(cpu=2000 + 40 * back % 3000)
        UsageSample.objects.create(
            tenant=tenant,
            hour=hour - timedelta(hours=back),
            limit=ROOM.parts(),
            carved=SHARE.parts(),
            used=None if 40 < back < 50 else amount.parts(),
        )
    loan_wanted = requests.ask_for_loan(
        tenant=tenant, amount=MORE, until=until, reason="load test " * 30, by=developer
    )
    requests.comment(request=loan_wanted, text="why\nso much", by=operator)
    failed = requests.ask_for_environment(
        tenant=tenant, cluster=place[0], name="big", stage="test", share=ROOM, reason="x", by=developer
    )
    requests.approve(request=failed, by=operator)
    declined = requests.ask_for_quota(tenant=tenant, amount=MORE, reason="more", by=developer)
    requests.decline(request=declined, by=operator, reason="use what is free")


PLACES = [
    "/tenants/retail/quota/",
    "/tenants/retail/quota/?of=memory&days=90",
    "/tenants/retail/quota/edit/",
    "/tenants/retail/quota/loans/new/",
    "/tenants/retail/requests/",
    "/tenants/retail/requests/new/",
    "/tenants/retail/requests/new/environment/",
    "/tenants/retail/requests/new/loan/",
    "/requests/",
    "LOAN",
    "FAILED",
]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("place_of", PLACES)
def test_a_page_is_sound(filled, signed_in, operator, live_server, check_page, place_of, language):
    User.objects.filter(pk=operator.pk).update(language=language)
    numbers = {
        "LOAN": TenantRequest.objects.get(kind="loan").pk,
        "FAILED": TenantRequest.objects.get(kind="environment").pk,
    }
    path = f"/tenants/retail/requests/{numbers[place_of]}/" if place_of in numbers else place_of
    signed_in.goto(f"{live_server.url}{path}")
    check_page(signed_in)
    assert signed_in.locator("html").get_attribute("lang").startswith("zh" if language != "en" else "en")
