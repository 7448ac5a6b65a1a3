"""Pages of applications in Chromium: nothing violates the policy, everything fits, a release gets published."""

import pytest

from apps.models import Deployment, SeenPods, Workload
from apps.services import bin as bins
from apps.services import deployments
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


PLACES = [
    *("", "new/", "import/", "bin/", "adopt/dev/", "web/", "web/edit/", "web/releases/", "web/releases/new/"),
    *(
        "web/releases/new/?as=text",
        "web/releases/2/",
        "web/in/dev/",
        "web/in/dev/deploy/",
        "web/in/dev/deployments/",
        "web/in/dev/pods/",
    ),
    *(
        "web/in/dev/scale/",
        "web/in/dev/undo/",
        "web/in/dev/remove/",
        "web/in/dev/config/",
        "web/in/dev/health/",
    ),
    *("web/in/dev/healing/", "web/in/dev/events/"),
]


@pytest.mark.parametrize("address", PLACES)
def test_a_page_is_sound(shop, signed_in, live_server, check_page, address):
    signed_in.goto(f"{live_server.url}/tenants/retail/apps/{address}")
    check_page(signed_in)
    assert signed_in.locator("h1").is_visible()


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
