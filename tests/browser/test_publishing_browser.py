"""Publishing through fields in Chromium: rows come and go in place, a refusal marks its field; also without script."""

import os

import pytest

from apps.models import Release
from tests.apps.things import make_app

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BUNDLED = "kcloud.local/shop-web:1.0"
PUBLISH = "/tenants/retail/apps/web/releases/new/"


@pytest.fixture
def app(tenant):
    return make_app(tenant)


def _fill(page):
    """Image, a second port, a variable and a volume; a readiness check becomes a command."""
    page.get_by_label("Version").fill("1.0")
    page.get_by_label("Image").fill(BUNDLED)
    page.get_by_role("button", name="Add a port").click()
    second = page.get_by_role("group", name="Port 2")
    second.get_by_label("Name").fill("metrics")
    second.get_by_label("Port", exact=True).fill("9090")
    page.get_by_role("button", name="Add a variable").click()
    variable = page.get_by_role("group", name="Variable 1")
    variable.get_by_label("Name").fill("GREETING")
    variable.get_by_label("Value").fill("good\nmorning")
    page.get_by_role("button", name="Add a volume").click()
    volume = page.get_by_role("group", name="Volume 1")
    volume.get_by_label("Name").fill("cache")
    volume.get_by_label("Folder").fill("/cache")
    readiness = page.get_by_role("group", name="Readiness")
    readiness.get_by_label("Check").select_option("exec")
    readiness.get_by_label("Command").fill("test -f '/tmp/it is ready'")


def _published():
    made = Release.objects.get()
    container = made.spec["containers"][0]
    assert [(each["name"], each["port"]) for each in container["ports"]] == [
        ("http", 8080),
        ("metrics", 9090),
    ]
    assert container["environment"] == {"GREETING": "good\nmorning"}
    assert container["mounts"] == [{"volume": "cache", "path": "/cache", "read_only": False}]
    assert container["probes"]["readiness"]["command"] == ["test", "-f", "/tmp/it is ready"]
    assert [each["name"] for each in made.spec["service"]["ports"]] == ["http"]


def test_a_release_is_published_through_fields(app, signed_in, live_server, check_page):
    signed_in.goto(f"{live_server.url}{PUBLISH}")
    readiness = signed_in.get_by_role("group", name="Readiness")
    assert readiness.get_by_label("Path").is_visible()
    assert not readiness.get_by_label("Command").is_visible()
    _fill(signed_in)
    assert signed_in.url.endswith(PUBLISH), "rows are added without leaving the page"
    assert readiness.get_by_label("Command").is_visible()
    assert not readiness.get_by_label("Path").is_visible()
    check_page(signed_in)
    if os.environ.get("SHOTS"):
        _shots(signed_in)
    signed_in.get_by_label("CPU, reserved").fill("lots")
    signed_in.get_by_role("button", name="Publish").click()
    signed_in.get_by_role("alert", name="What to correct").wait_for()
    assert signed_in.get_by_label("CPU, reserved").get_attribute("aria-invalid") == "true"
    check_page(signed_in)
    signed_in.get_by_label("CPU, reserved").fill("100m")
    signed_in.get_by_role("button", name="Publish").click()
    signed_in.wait_for_url("**/releases/1/")
    _published()


def test_the_same_without_javascript(app, open_context, live_server):
    page = open_context(java_script_enabled=False)
    page.goto(f"{live_server.url}{PUBLISH}")
    _fill(page)
    page.get_by_role("button", name="Add a port").click()
    page.get_by_role("group", name="Port 3").get_by_role("button", name="Remove row 3").click()
    assert page.get_by_role("group", name="Port 3").count() == 0
    page.get_by_role("button", name="Publish").click()
    page.wait_for_url("**/releases/1/")
    _published()


def test_what_was_typed_goes_to_the_text_and_back(app, signed_in, live_server):
    signed_in.goto(f"{live_server.url}{PUBLISH}")
    _fill(signed_in)
    signed_in.get_by_role("button", name="As text").click()
    text = signed_in.get_by_role("textbox", name="What runs")
    assert "metrics" in text.input_value()
    text.fill(text.input_value().replace("9090", "9091"))
    signed_in.get_by_role("button", name="As fields").click()
    assert (
        signed_in.get_by_role("group", name="Port 2").get_by_label("Port", exact=True).input_value() == "9091"
    )
    assert signed_in.get_by_label("Version").input_value() == "1.0"


def test_enter_publishes_and_does_not_press_another_button(app, signed_in, live_server):
    signed_in.goto(f"{live_server.url}{PUBLISH}")
    signed_in.get_by_label("Image").fill(BUNDLED)
    signed_in.get_by_label("Version").fill("1.0")
    signed_in.get_by_label("Version").press("Enter")
    signed_in.wait_for_url("**/releases/1/")
    assert Release.objects.get().spec["containers"][0]["image"] == BUNDLED


def _shots(page):
    for width in (375, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=f"{os.environ['SHOTS']}/publish-{width}-{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})
