"""The console in a real browser: every page keeps the rules, live parts live, everything works without JavaScript."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from clusters.models import Cluster, Node, Region
from kcloud_site.operations.models import Operation, State
from kcloud_site.tenants.models import User
from tests.console import samples

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def full_portal(operator):
    """Something of everything, well and unwell."""
    region = Region.objects.create(name="gz", title="Guangzhou Nansha")
    for number, health in enumerate(("healthy", "degraded", "down", "unknown")):
        cluster = Cluster.objects.create(
            name=f"gz-prod-0{number}", health=health, state="ready", region=region
        )
        Node.objects.create(cluster=cluster, name=f"n{number}", uid=str(number), seen_at=timezone.now())
    samples.operation(state=State.SUCCEEDED, lines=20)
    samples.operation(state=State.CANCELLED, lines=2)
    failed = samples.operation(lines=120)
    samples.write(failed, "fatal: " + "no-break-" * 40, level="error", target="gz-w02", step="runtime")
    samples.fail(failed, line=121)
    running = samples.operation(lines=130, name="a-name-as-long-as-names-may-be-0123456789")
    return {"failed": failed.pk, "running": running.pk}


ADDRESSES = [
    "/",
    "/operations/",
    "/operations/?state=failed",
    "/operations/{failed}/",
    "/operations/{running}/",
    "/operations/{failed}/?line=60",
    "/operations/{running}/cancel/",
    "/audit/",
    "/audit/?since=nonsense",
    "/search/?q=gz",
    "/search/?q=nothing-has-this-name",
    "/preferences/",
    "/preferences/password/",
    "/nothing-here/",
]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_keeps_the_rules(
    signed_in, live_server, full_portal, check_page, operator, address, language
):
    User.objects.filter(pk=operator.pk).update(language=language)
    signed_in.goto(live_server.url + address.format(**full_portal))
    check_page(signed_in)


def test_a_new_portals_first_page_keeps_the_rules(signed_in, live_server, check_page):
    signed_in.goto(live_server.url + "/")
    check_page(signed_in)


def test_signing_in_leads_back_to_where_one_wanted_to_go(page, live_server, operator, check_page):
    page.goto(live_server.url + "/operations/?state=failed")
    check_page(page)
    page.get_by_label("Name").fill("operator")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name or password is not right")
    expect(page.get_by_label("Password")).to_be_focused()
    check_page(page)
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(live_server.url + "/operations/?state=failed")


# ---- the live operation ------------------------------------------------------------------------------------


def shown_numbers(page):
    return [
        int(name[1:])
        for name in page.locator(".kc-log li[id^=L]").evaluate_all("all => all.map(one => one.id)")
    ]


def expect_line(page, number):
    expect(page.locator(f"#L{number}")).to_have_count(1, timeout=15_000)


def test_the_log_follows_without_reload_each_line_once(signed_in, live_server):
    operation = samples.operation(lines=3)
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    for batch in (1, 5, 230):
        samples.write(operation, *(f"more {number}" for number in range(batch)))
        expect_line(signed_in, operation.last_line)
    assert shown_numbers(signed_in) == list(range(1, operation.last_line + 1))
    signed_in.reload()
    expect_line(signed_in, operation.last_line)
    numbers = shown_numbers(signed_in)
    assert numbers == list(range(numbers[0], operation.last_line + 1))


def test_the_end_of_the_log_stays_in_view(signed_in, live_server):
    operation = samples.operation(lines=100)
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    samples.write(operation, *["more"] * 60)
    expect_line(signed_in, 160)
    assert signed_in.locator("#L160").evaluate(
        "line => line.getBoundingClientRect().bottom <= line.closest('.kc-log').getBoundingClientRect().bottom"
    )


def test_a_failure_appears_by_itself_and_then_nobody_asks_any_more(signed_in, live_server):
    operation = samples.operation(lines=3)
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    expect(signed_in.get_by_text("following")).to_be_visible()
    samples.write(operation, "fatal: no room", level="error")
    samples.fail(operation, line=4)
    expect(signed_in.locator("#op-band")).to_contain_text(
        "No room for the container runtime.", timeout=15_000
    )
    expect_line(signed_in, 4)
    expect(signed_in.locator("#op-state")).to_contain_text("Failed")
    expect(signed_in.get_by_role("button", name="Cancel")).to_have_count(0)
    expect(signed_in.locator("[hx-get]")).to_have_count(0, timeout=15_000)
    assert shown_numbers(signed_in) == [1, 2, 3, 4]


def test_following_goes_on_after_the_portal_did_not_answer(signed_in, live_server, problems):
    operation = samples.operation(lines=2)
    signed_in.clock.install()
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    refused = []

    def refuse(route):
        refused.append(route.request.url)
        route.abort()

    signed_in.route(re.compile(r"after="), refuse)
    signed_in.clock.fast_forward(2_000)
    signed_in.wait_for_function("true")
    expect(signed_in.locator("li[hx-get]")).to_have_count(1)
    signed_in.unroute(re.compile(r"after="))
    samples.write(operation, "after the restart")
    signed_in.clock.fast_forward(25_000)
    expect_line(signed_in, 3)
    assert refused
    assert shown_numbers(signed_in) == [1, 2, 3]
    problems.clear()  # the browser reports the refused requests


def test_an_open_confirmation_stays_open_while_the_page_lives(signed_in, live_server):
    operation = samples.operation(lines=1)
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    signed_in.get_by_role("button", name="Cancel").click()
    name = signed_in.get_by_label("Type gz-prod-02 to confirm")
    name.fill("gz-prod")
    samples.write(operation, "more")
    expect_line(signed_in, 2)
    expect(name).to_be_visible()
    expect(name).to_be_focused()
    assert name.input_value() == "gz-prod"


def test_cancelling_by_typing_the_name(signed_in, live_server, check_page):
    operation = samples.operation(lines=1)
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    signed_in.get_by_role("button", name="Cancel").click()
    check_page(signed_in)
    name = signed_in.get_by_label("Type gz-prod-02 to confirm")
    name.fill("wrong")
    signed_in.get_by_role("button", name="Cancel the operation").click()
    assert name.evaluate("field => field.validity.patternMismatch")
    name.fill("gz-prod-02")
    signed_in.get_by_role("button", name="Cancel the operation").click()
    expect(signed_in.locator("#op-band")).to_contain_text("It stops at the next safe place")
    assert Operation.objects.get(pk=operation.pk).cancel_requested_at


def test_the_list_follows_an_operation_to_its_end(signed_in, live_server):
    operation = samples.operation(name="at-work")
    signed_in.goto(live_server.url + "/operations/")
    row = signed_in.get_by_role("row", name=re.compile("at-work"))
    expect(row).to_contain_text("Running")
    samples.fail(operation)
    expect(row).to_contain_text("Failed", timeout=15_000)
    expect(signed_in.locator("[hx-get]")).to_have_count(0)


def test_a_fragment_of_an_ended_session_leads_to_sign_in(signed_in, live_server):
    operation = samples.operation(lines=1)
    signed_in.goto(f"{live_server.url}/operations/{operation.pk}/")
    signed_in.context.clear_cookies()
    signed_in.wait_for_url(re.compile("/sign-in/"), timeout=15_000)
    expect(signed_in.get_by_role("heading", name="Sign in")).to_be_visible()
    assert f"next=%2Foperations%2F{operation.pk}%2F" in signed_in.url


# ---- without JavaScript ------------------------------------------------------------------------------------


def test_an_operation_without_javascript(open_context, live_server):
    page = open_context(java_script_enabled=False)
    operation = samples.operation(lines=150)
    page.goto(f"{live_server.url}/operations/{operation.pk}/")
    expect(page.locator("#L150")).to_have_count(1)
    samples.write(operation, "new")
    page.get_by_role("link", name="Show what is new").click()
    expect(page.locator("#L151")).to_have_count(1)
    page.get_by_role("link", name="Earlier lines").click()
    expect(page.locator("#L1")).to_have_count(1)
    page.locator("#L7 > a").first.click()
    expect(page.locator("#L7[aria-current]")).to_be_in_viewport()
    page.get_by_label("Host", exact=True).select_option("gz-w02")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".kc-log li[id^=L]")).to_have_count(0)


def test_menus_and_confirmation_without_javascript(open_context, live_server):
    page = open_context(java_script_enabled=False)
    operation = samples.operation(lines=1)
    page.goto(f"{live_server.url}/operations/{operation.pk}/")
    page.get_by_role("button", name=re.compile("account")).click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_role("button", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_label("Type gz-prod-02 to confirm").fill("gz-prod-02")
    page.get_by_role("button", name="Cancel the operation").click()
    expect(page.locator("#op-band")).to_contain_text("It stops at the next safe place")


def test_the_side_bar_opens_as_a_menu_on_a_small_screen(signed_in, live_server):
    signed_in.set_viewport_size({"width": 375, "height": 800})
    signed_in.goto(live_server.url + "/")
    menu = signed_in.get_by_role("navigation", name="Main")
    expect(menu).to_be_hidden()
    signed_in.get_by_role("button", name="Menu").click()
    menu.get_by_role("link", name="Operations").click()
    expect(signed_in.get_by_role("heading", level=1)).to_have_text("Operations")


def test_the_keyboard_reaches_the_content_first(signed_in, live_server):
    signed_in.goto(live_server.url + "/")
    signed_in.keyboard.press("Tab")
    expect(signed_in.get_by_role("link", name="Skip to content")).to_be_focused()
    signed_in.keyboard.press("Enter")
    assert signed_in.url.endswith("#main")
