"""Hosts, regions and credentials in the browser: every page filled, at every width, and the way of an operator."""

import json
import subprocess
import sys

import pytest
from django.utils import timezone

from clusters.hosts import facts
from clusters.models import Cluster, Host
from clusters.services import credentials, regions
from tests.clusters import loopback_sshd as sshd

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONGEST = "a" + "-very-long-name-of-a-host" * 2 + "-0123456789x"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if why := sshd.missing():
        pytest.skip(why)
    with sshd.running(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def gathered():
    done = subprocess.run(
        [sys.executable, "-"], input=facts.PROBE, capture_output=True, text=True, check=True
    )
    return json.loads(json.dumps(facts.as_json(facts.parse(done.stdout))))


@pytest.fixture
def filled(operator, server, gathered):
    """One of each: a spare host, a cluster's, a silent one, a new one."""
    region = regions.create_region(name="beijing", title="Beijing Yizhuang", by=operator)
    credential = credentials.create_credential(
        name="site-key", username="root", kind="ssh-key", secret=server.private_key, by=operator
    )
    prod = Cluster.objects.create(name="prod", region=region)
    common = {"region": region, "credential": credential}
    seen = {"facts": gathered, "facts_at": timezone.now(), "state": Host.State.READY}
    Host.objects.create(name=LONGEST, address="10.0.0.1", **common, **seen)
    Host.objects.create(name="w02", address="10.0.0.2", cluster=prod, **common, **seen)
    gone = {
        **seen,
        "state": Host.State.UNREACHABLE,
        "state_reason": "w03 (10.0.0.3:22) cannot be reached over SSH.",
    }
    Host.objects.create(name="w03", address="10.0.0.3", **common, **gone)
    Host.objects.create(
        name="w04", address="10.0.0.4", **common, state_reason="It has the machine-id of w02."
    )
    Host.objects.create(name="w05", address="10.0.0.5", **common)


@pytest.mark.parametrize(
    "address",
    ["/hosts/", "/hosts/?q=nothing", f"/hosts/{LONGEST}/", "/hosts/w02/", "/hosts/w03/", "/hosts/w04/", "/hosts/w05/",
     "/hosts/w05/edit/", "/hosts/w05/delete/", "/hosts/new/", "/hosts/import/", "/regions/", "/regions/beijing/",
     "/regions/beijing/delete/", "/credentials/", "/credentials/site-key/", "/credentials/site-key/delete/"],
)  # fmt: skip
def test_a_filled_page_keeps_the_rules(signed_in, live_server, check_page, filled, address):
    response = signed_in.goto(live_server.url + address)
    assert response.status == 200
    assert len(response.body()) < 100_000
    check_page(signed_in)


def test_an_operator_comes_from_nothing_to_a_ready_host(signed_in, live_server, server, check_page, problems):
    page = signed_in
    page.goto(live_server.url + "/hosts/new/")
    page.get_by_role("link", name="Create a region").click()
    page.get_by_label("Name").fill("beijing")
    page.get_by_role("button", name="Create the region").click()
    page.goto(live_server.url + "/credentials/new/")
    page.get_by_label("Name", exact=True).fill("site-key")
    page.get_by_label("User name").fill("root")
    page.get_by_label("Private key").fill(server.private_key)
    page.get_by_role("button", name="Create the credential").click()
    page.goto(live_server.url + "/hosts/new/?region=beijing")
    page.get_by_label("Name").fill("w01")
    page.get_by_label("Address").fill(server.address)
    page.get_by_label("SSH port").fill("9")
    page.get_by_label("Credential").select_option("site-key")
    page.get_by_role("button", name="Connect and enrol").click()
    check_page(page)
    assert "Connection refused" in page.locator(".kc-err").inner_text()
    assert page.evaluate("document.activeElement.name") == "address"
    problems.clear()  # the browser reports every answer 422
    page.get_by_label("SSH port").fill(str(server.port))
    page.get_by_role("button", name="Connect and enrol").click()
    assert page.get_by_role("heading", level=1).inner_text() == "w01"
    assert page.locator(".kc-head .kc-state").inner_text().strip() == "Ready"
    assert page.locator(".kc-why").count() == 0


def test_a_list_is_shown_before_it_is_enrolled(signed_in, live_server, filled, check_page, problems):
    page = signed_in
    page.goto(live_server.url + "/hosts/import/")
    page.get_by_label("Or its text").fill("name,address\nnew01,10.0.1.1\nW02,10.0.1.2\n")
    page.get_by_label("Region").select_option("beijing")
    page.get_by_label("Credential").select_option("site-key")
    page.get_by_role("button", name="Check the list").click()
    assert (
        "Line 3, name" in page.locator("#bad + *, .kc-checks").first.inner_text()
        or page.get_by_text("Line 3").count()
    )
    check_page(page)
    problems.clear()  # the browser reports every answer 422
    page.get_by_label("Or its text").fill("name,address\nnew01,10.0.1.1\nnew02,10.0.1.2\n")
    page.get_by_role("button", name="Check the list").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Enrol 2 hosts?"
    check_page(page)
    page.get_by_role("button", name="Enrol 2 hosts").click()
    page.wait_for_url("**/operations/*/")
    assert Host.objects.filter(name__startswith="new", state=Host.State.NEW).count() == 2
