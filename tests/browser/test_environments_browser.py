"""Pages of environments in Chromium: nothing violates the policy, everything fits, everything has its name."""

import pytest

from clusters.models import Environment
from tests.clusters.environments import GIB, ask, carry_out, fake_cluster, give_quota, make, newest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

DRIFT = {
    "kind": "ResourceQuota",
    "name": "kcloud-share",
    "what": "changed",
    "where": "spec.hard.pods, spec.hard.requests.cpu",
    "wanted": "10; 1000m",
    "found": "1000; 64",
    "by": "kubectl-edit, 2026-11-27T10:00:00Z",
}


@pytest.fixture
def environments(monkeypatch, tenant):
    """One that is ready, one that has drifted, one that failed."""
    give_quota(tenant)
    cluster, kube = fake_cluster(monkeypatch)
    make(tenant, cluster, name="dev")
    make(tenant, cluster, name="prod", stage="prod")
    used = {"cpu": 250, "memory": GIB, "storage": 0, "pods": 3, "gpus": 0}
    Environment.objects.update(used=used, seen_at="2026-11-27T10:00:00Z")
    missing = {
        **DRIFT,
        "kind": "NetworkPolicy",
        "name": "kcloud-openings",
        "what": "missing",
        "where": "",
        "by": "",
    }
    Environment.objects.filter(name="prod").update(state="drifted", drift=[DRIFT, missing], repair="by-hand")
    foreign = {"metadata": {"name": "retail-test", "uid": "theirs", "labels": {}}}
    kube.objects["/api/v1/namespaces/retail-test"] = foreign
    carry_out(newest(ask(tenant, cluster, name="test", stage="test")))


PLACES = ["", "new/", "dev/", "prod/", "test/", "dev/resize/", "dev/freeze/", "dev/remove/", "prod/remove/"]


@pytest.mark.parametrize("place", PLACES)
def test_a_page_is_sound(environments, signed_in, live_server, check_page, place):
    signed_in.goto(f"{live_server.url}/tenants/retail/environments/{place}")
    check_page(signed_in)
    assert signed_in.locator("h1").is_visible()


def test_a_share_that_cannot_be_read_takes_the_focus_and_a_good_one_leads_on(
    environments, signed_in, live_server
):
    signed_in.goto(f"{live_server.url}/tenants/retail/environments/dev/resize/")
    signed_in.get_by_label("CPU").fill("plenty")
    signed_in.get_by_role("button", name="Resize").click()
    assert signed_in.locator("[aria-invalid=true]").get_attribute("name") == "cpu"
    assert signed_in.evaluate("document.activeElement.name") == "cpu"
    signed_in.get_by_label("CPU").fill("2")
    signed_in.get_by_role("button", name="Resize").click()
    signed_in.wait_for_url("**/environments/dev/")
    assert signed_in.get_by_role("status").filter(has_text="Updating").is_visible()
