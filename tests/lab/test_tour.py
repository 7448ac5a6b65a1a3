"""docs/tour.md, walked to the letter: `make demo`'s own command, a real browser, real hosts.

One test with JavaScript off plans, checks, deploys, breaks, resumes and resets a cluster by plain links and forms; the
first part, watching, is done with JavaScript on, where the page must follow by itself.
"""

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import expect

from clusters.lab import hosts as lab_hosts

ROOT = Path(__file__).resolve().parent.parent.parent
SLOW = 240_000  # milliseconds a deployment may take on a busy machine
LABS_BEFORE = "the lab called demo is in use: run make demo-stop first"

pytestmark = [pytest.mark.lab, pytest.mark.browser, pytest.mark.timeout(900)]


def manage(*words, env=None, check=True):
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=check,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory, browser):
    """`make demo DETACH=1` with a state folder and an address of its own; `make demo-stop` afterwards. (`browser`
    keeps the tests that need one and those that do not together, so there is one demo.)"""
    if "demo" in lab_hosts.names():
        pytest.skip(LABS_BEFORE)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    home = tmp_path_factory.mktemp("demo") / "home"
    env = {"KCLOUD_HOME": str(home), "KCLOUD_BIND": bind, "DJANGO_SETTINGS_MODULE": "kcloud_site.settings"}
    for name in ("assets", "collectstatic"):
        manage(name, *(["--noinput"] if name == "collectstatic" else []), env=env)
    try:
        done = manage("demo", "up", "--detach", env=env, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        values = dict(line.split("=", 1) for line in (home / "env").read_text().splitlines())
        yield SimpleNamespace(home=home, env=env, said=done.stdout, **values)
    finally:
        manage("demo", "down", env=env, check=False)
    assert "demo" not in lab_hosts.names()
    assert not home.exists()


@pytest.fixture
def sign_in(demo, browser):
    """A page of a signed-in operator; every CSP violation and script error fails the test."""
    contexts, problems = [], []

    def opened(name="operator", password="", **options):
        context = browser.new_context(viewport={"width": 1440, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if "Content Security" in said.text else None
        )
        page.goto(f"{demo.KCLOUD_URL}/sign-in/")
        page.locator("input[name=username]").fill(name)
        password = password or (demo.home / "operator-password").read_text()
        page.locator("input[name=password]").fill(password)
        page.locator("input[name=password]").press("Enter")
        page.wait_for_url(f"{demo.KCLOUD_URL}/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def on_host(demo, name, *command):
    return manage("lab", "ssh", name, "--name", "demo", "--", *command, env=demo.env)


def reload_until(page, text, *, where="main", seconds=240):
    """Without JavaScript a person presses reload; so do we, until the page says it."""
    end = time.monotonic() + seconds
    while text not in page.locator(where).first.inner_text():
        assert time.monotonic() < end, (
            f"{text!r} never came; the page says:\n{page.locator('main').inner_text()}"
        )
        page.reload()


def accept_warnings(page):
    """Accept each warning of the preflight, with a reason."""
    while page.locator("aside summary", has_text="Accept").count():
        waiting = page.locator("aside summary", has_text="Accept").count()
        page.locator("aside summary", has_text="Accept").first.click()
        form = page.locator("aside details[open] form").first
        form.get_by_label("Why it does no harm here").fill("A lab")
        form.get_by_role("button").click()
        page.wait_for_load_state()
        assert page.locator("aside summary", has_text="Accept").count() < waiting


def accept_until_deployable(page, seconds=60):
    """Reload until the preflight has ended, accept what it warns of, and see Deploy become possible."""
    end = time.monotonic() + seconds
    while not page.get_by_role("button", name="Deploy").is_enabled():
        assert time.monotonic() < end, (
            f"never deployable; the page says:\n{page.locator('main').inner_text()}"
        )
        page.reload()
        accept_warnings(page)


def plan(page, demo, name, roles):
    page.goto(f"{demo.KCLOUD_URL}/clusters/")
    page.get_by_role("link", name="Plan a cluster").click()
    page.get_by_label("Name", exact=True).fill(name)
    for host, role in roles.items():
        page.locator(f"input[name=use-{host}]").check()
        page.locator(f"select[name=role-{host}]").select_option(role)
    page.get_by_role("button", name="Save and check").click()
    page.wait_for_load_state()


def test_the_demo_ends_with_a_healthy_cluster_and_says_where(demo, sign_in):
    assert demo.KCLOUD_URL in demo.said
    page = sign_in()
    page.goto(f"{demo.KCLOUD_URL}/clusters/demo/")
    expect(page.get_by_role("heading", name="demo", level=1)).to_be_visible()
    reload_until(page, "2 / 2", seconds=60)


def test_a_second_demo_finds_all_ready(demo):
    done = manage("demo", "up", "--detach", env=demo.env)
    assert "KCloud is ready" in done.stdout
    page = urllib.request.urlopen(f"{demo.KCLOUD_URL}/sign-in/", timeout=10)
    assert page.status == 200


def test_the_token_and_the_kubeconfig_of_the_env_file_open_the_cluster(demo):
    values = dict(line.split("=", 1) for line in (demo.home / "env").read_text().splitlines())
    request = urllib.request.Request(
        f"{demo.KCLOUD_URL}/api/v1/clusters/demo/nodes",
        headers={"Authorization": f"Token {values['KCLOUD_TOKEN']}"},
    )
    nodes = json.load(urllib.request.urlopen(request, timeout=10))
    assert [(node["name"], node["ready"]) for node in nodes] == [("h2", "True"), ("h3", "True")]
    kubectl = Path.home() / ".cache/kcloud/bundles/1.34.4/bin/kubectl"
    pods = subprocess.run(
        [kubectl, "-n", "sample", "get", "pods", "-o", "name"],
        env={"KUBECONFIG": values["KUBECONFIG"], "HOME": str(demo.home)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert len(pods) == 2


def test_two_masters_are_refused_with_the_sum(demo, sign_in):
    page = sign_in()
    plan(page, demo, "tour", {"h4": "master", "h5": "master"})
    expect(page.get_by_role("alert").first).to_contain_text("2 masters need 2 for a majority")


def test_the_tour_plans_breaks_resumes_and_looks_at_a_node(demo, sign_in):
    page = sign_in()
    plan(page, demo, "tour", {"h4": "master", "h5": "worker"})
    # The rail fills by itself: nobody reloads here.
    expect(page.locator("aside summary", has_text="Accept")).to_have_count(2, timeout=60_000)
    accept_warnings(page)
    on_host(demo, "h5", "sudo", "systemctl", "mask", "containerd")
    page.get_by_role("button", name="Deploy").click()
    page.wait_for_url(re.compile(r"/operations/\d+/"))
    band = page.locator("section.kc-why.is-bad").first
    expect(band).to_contain_text("h5", timeout=SLOW)
    expect(page.get_by_role("button", name=re.compile("^Resume"))).to_be_visible(timeout=SLOW)
    assert page.locator(".kc-matrix .kc-cell.is-bad").count() == 1
    done_before = page.locator(".kc-matrix .kc-cell.is-ok").count()
    assert done_before >= 2

    on_host(demo, "h5", "sudo", "systemctl", "unmask", "containerd")
    page.get_by_role("button", name=re.compile("^Resume")).click()
    expect(page.locator(".kc-head .kc-state")).to_contain_text("Succeeded", timeout=SLOW)
    numbers = [int(text) for text in page.locator(".kc-log li > a").all_inner_texts() if text.isdigit()]
    assert numbers == sorted(set(numbers)), "a line came twice or out of order"

    page.goto(f"{demo.KCLOUD_URL}/clusters/tour/nodes/")
    reload_until(page, "v1.34.4", seconds=60)
    page.get_by_role("link", name="h5").first.click()
    expect(page.get_by_text("KubeletReady")).to_be_visible()
    expect(page.get_by_text("coredns").first).to_be_visible()


def test_the_tour_invites_somebody_into_a_tenant_that_sees_only_its_own(demo, sign_in, browser):
    values = dict(line.split("=", 1) for line in (demo.home / "env").read_text().splitlines())
    page = sign_in("retail-owner", values["KCLOUD_PASSWORD_RETAIL_OWNER"])
    expect(page.locator("main")).to_contain_text("Retail")
    expect(page.get_by_role("navigation", name="Main")).not_to_contain_text("Clusters")
    page.get_by_role("link", name="Members & quota").click()
    expect(page.locator("main")).to_contain_text("retail-developer")
    page.get_by_role("link", name="Invite a member").click()
    page.get_by_label("E-mail address").fill("somebody@example.com")
    page.get_by_role("button", name="Send the invitation").click()
    link = page.get_by_role("textbox", name="The link").input_value()

    private = browser.new_context()
    other = private.new_page()
    other.goto(link)
    other.get_by_label("Sign-in name").fill("somebody")
    other.get_by_label("Password", exact=True).fill("correct horse battery")
    other.get_by_label("Password once more").fill("correct horse battery")
    other.get_by_role("button", name="Make the account and join").click()
    other.wait_for_url(f"{demo.KCLOUD_URL}/tenants/retail/")
    assert other.goto(f"{demo.KCLOUD_URL}/tenants/logistics/").status == 404
    private.close()


def test_the_shop_of_retail_runs_in_three_environments(demo, sign_in):
    values = dict(line.split("=", 1) for line in (demo.home / "env").read_text().splitlines())
    page = sign_in("retail-owner", values["KCLOUD_PASSWORD_RETAIL_OWNER"])
    page.goto(f"{demo.KCLOUD_URL}/tenants/retail/apps/")
    for name in ("shop-web", "shop-api", "shop-db", "shop-cache"):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
    for environment, pods in (("dev", 1), ("test", 1), ("prod", 2)):
        page.goto(f"{demo.KCLOUD_URL}/tenants/retail/apps/shop-web/in/{environment}/")
        reload_until(page, "Healthy", seconds=60)
        expect(page.locator("main")).to_contain_text("shop-web-", timeout=30_000)
        assert page.locator("section[aria-labelledby=pods] tbody tr").count() == pods


def test_without_javascript_the_hosts_are_given_back_and_deployed_again(demo, sign_in):
    page = sign_in(java_script_enabled=False)
    page.goto(f"{demo.KCLOUD_URL}/clusters/tour/reset/")
    page.locator("main input[required]").fill("tour")
    page.locator("main button.btn-danger").first.click()
    reload_until(page, "Succeeded", where=".kc-head .kc-state")

    page.goto(f"{demo.KCLOUD_URL}/clusters/tour/plan/")
    page.get_by_role("button", name=re.compile("Check again|Save and check")).click()
    page.wait_for_load_state()
    accept_until_deployable(page)
    page.get_by_role("button", name="Deploy").click()
    page.wait_for_url(re.compile(r"/operations/\d+/"))
    reload_until(page, "Succeeded", where=".kc-head .kc-state")
    assert page.locator(".kc-matrix .kc-cell.is-bad").count() == 0
