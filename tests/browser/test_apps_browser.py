"""Pages of applications in Chromium: nothing violates the policy, everything fits, a release gets published."""

import pytest

from apps.models import Deployment, SeenPods, Workload
from apps.services import bin as bins
from apps.services import deployments
from kcloud_site.tenants.models import User
from tests.apps.things import BAD_IMAGE, carry_out, make_app, make_environment, make_release, web_spec

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
POD = {
    "name": "web-6f9c7d8b5-x2k7p",
    "uid": "u1",
    "release": "1",
    "slot": "blue",
    "config": "",
    "node": "w1",
    "phase": "Running",
    "ready": False,
    "restarts": 12,
    "reason": "CrashLoopBackOff",
    "message": "back-off 5m0s restarting failed container=web pod=web-6f9c7d8b5-x2k7p_retail-dev",
    "started": "2026-11-28T01:00:00Z",
    "leaving": False,
}


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def shop(place, tenant, operator):
    """Release 1.0 runs, 1.1 was taken back, and another application waits in the bin."""
    environment, cluster = place
    cluster.bad.add(BAD_IMAGE)
    app = make_app(tenant, title="Shop front", labels={"cost-centre": "4711"})
    for release in (make_release(app, "1.0"), make_release(app, "1.1", web_spec(BAD_IMAGE))):
        made = deployments.deploy_release(app=app, environment=environment, release=release, by=operator)
        carry_out(made)
    assert made.state == "returned"
    workload = Workload.objects.get()
    SeenPods.objects.create(tenant=tenant, workload=workload, rows=[POD], total=1)
    other = make_app(tenant, "api")
    carry_out(
        deployments.deploy_release(
            app=other, environment=environment, release=make_release(other), by=operator
        )
    )
    gone = Workload.objects.select_related("app", "environment", "tenant").get(app=other)
    carry_out(bins.remove_workload(workload=gone, by=operator, confirm_name="api"))
    return workload


LINES = (
    b"2026-01-02T03:04:05.000000001Z INFO started\n"
    b"2026-01-02T03:04:06.000000001Z ERROR "
    + b"a-word-without-an-end/" * 30
    + b" <script>alert(1)</script>\n"
)
PODS = "/api/v1/namespaces/retail-dev/pods"


@pytest.fixture
def talking(shop, place):
    """Its pod has said something, in every container's log."""
    cluster = place[1]
    for name in [name for name in cluster.objects if name.startswith(f"{PODS}/")]:
        cluster.raw[f"{name}/log"] = LINES
    return shop


GIVEN = "?release=1&type=rolling&surge=25%25&unavailable=0&timeout=60"
PLACES = [
    *("", "new/", "import/", "bin/", "adopt/dev/", "web/", "web/edit/", "web/releases/", "web/releases/new/"),
    *("web/releases/new/?as=text", "registries/", "registries/new/"),
    *("web/releases/2/", "web/in/dev/", "web/in/dev/deploy/", f"web/in/dev/preview/{GIVEN}"),
    *("web/in/dev/deployments/", "web/in/dev/deployments/2/"),
    *("web/in/dev/pods/", "web/in/dev/pods/?state=down&node=w1", "web/in/dev/pods/web-0/"),
    *("web/in/dev/scale/", "web/in/dev/undo/", "web/in/dev/remove/", "web/in/dev/command/?pod=web-0"),
    *("web/config/", "web/in/dev/config/", "web/in/dev/health/", "web/in/dev/healing/", "web/in/dev/events/"),
    *("web/in/dev/logs/", "web/in/dev/logs/?severity=error", "web/in/dev/logs/?pattern=on&q=("),
]


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_every_page_is_sound(talking, signed_in, live_server, check_page, operator, language):
    User.objects.filter(pk=operator.pk).update(language=language)
    for address in PLACES:
        answer = signed_in.goto(f"{live_server.url}/tenants/retail/apps/{address}")
        assert answer.status in (200, 422), address
        check_page(signed_in)
        assert signed_in.locator("h1").is_visible()
        assert signed_in.locator("html").get_attribute("lang").startswith("zh" if language != "en" else "en")


def test_lines_are_read_marked_and_followed(talking, place, signed_in, live_server):
    """The log comes without a reload, foreign text stays text, and a line's own address shows it marked."""
    page, cluster = signed_in, place[1]
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(f"{live_server.url}/tenants/retail/apps/web/in/dev/logs/")
    pane = page.get_by_role("log")
    pane.get_by_text("<script>alert(1)</script>").first.wait_for()
    for name in list(cluster.raw):
        cluster.raw[name] = LINES + b"2026-01-02T03:04:07.000000001Z INFO and one more\n"
    pane.get_by_text("and one more").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_a_preview_is_looked_at_before_it_is_deployed(talking, signed_in, live_server):
    page = signed_in
    page.goto(f"{live_server.url}/tenants/retail/apps/web/in/dev/deploy/")
    page.get_by_label("Release", exact=True).select_option("1")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Deploy now").click()
    page.wait_for_url("**/deployments/*/")
    newest = Deployment.objects.filter(workload=talking).first()
    assert (newest.number, newest.action, newest.release.version) == (3, "deploy", "1.0")


def test_from_registering_to_a_published_release(place, signed_in, live_server):
    signed_in.goto(f"{live_server.url}/tenants/retail/apps/")
    signed_in.get_by_role("link", name="Register an application").click()
    signed_in.get_by_label("Name", exact=True).fill("shop-web")
    signed_in.get_by_role("button", name="Register").click()
    signed_in.wait_for_url("**/apps/shop-web/")
    signed_in.get_by_role("link", name="Publish a release").first.click()
    signed_in.get_by_role("button", name="As text").click()
    signed_in.get_by_label("Version").fill("1.0")
    signed_in.get_by_role("textbox", name="What runs").fill("containers: [{name: web, image: x, port: 1}]")
    signed_in.get_by_role("button", name="Publish").click()
    assert signed_in.get_by_text("containers.0.port").is_visible()
    signed_in.get_by_role("textbox", name="What runs").fill(
        "containers: [{name: web, image: 'kcloud.local/shop-web:1.0'}]"
    )
    signed_in.get_by_role("button", name="Publish").click()
    signed_in.wait_for_url("**/releases/1/")
    assert signed_in.get_by_role("heading", name="shop-web 1.0").is_visible()
    assert not Deployment.objects.exists()
