"""The API of applications: register, publish, preview, deploy, scale, undo; and the one call from CI."""

import json
import os
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from apps.models import App, Deployment, Release, SeenPods, Workload
from kcloud_site.operations import runner
from kcloud_site.operations.api.operations import accepted
from kcloud_site.operations.models import Operation
from kcloud_site.tenants.services import tokens
from tests.apps.things import carry_out, make_app, make_environment, make_release, web_spec

pytestmark = pytest.mark.django_db
APPS = "/api/v1/tenants/retail/apps"
PLACE = f"{APPS}/web/in/dev"
BUNDLED = "kcloud.local/shop-web:1.0"
GUIDE = Path(__file__).parents[3] / "docs" / "ci.md"


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def api(client, tenant, join):
    """api(method, path, body, role="developer") answers (status, body, response)."""
    bearers = {}

    def call(method, path, body=None, role="developer", **headers):
        if role not in bearers:
            user = join(tenant, role)
            bearers[role] = token_of(user)
        options = {"headers": {"Authorization": f"Token {bearers[role]}", **headers}}
        if body is not None:
            options |= {"data": json.dumps(body), "content_type": "application/json"}
        answer = getattr(client, method)(path, **options)
        return answer.status_code, answer.json() if answer.content else None, answer

    return call


def token_of(user):
    ends = timezone.now() + timedelta(days=1)
    role = user.memberships.get().role
    made = tokens.create_token(user=user, name="ci", tenant=None, role=role, expires_at=ends, by=user)
    return made[1]


def finish():
    carry_out(Deployment.objects.order_by("-number").first())


def test_an_application_is_registered_changed_and_removed(api, tenant):
    status, made, _answer = api("post", APPS, {"name": "web", "spec": {"labels": {"team": "a"}}})
    assert (status, made["spec"]["labels"]) == (201, {"team": "a"})
    status, _found, answer = api("get", f"{APPS}/web")
    version = {"If-Match": answer["ETag"]}
    status, changed, _answer = api("patch", f"{APPS}/web", {"spec": {"owner": "Li"}}, **version)
    assert (status, changed["spec"]["owner"]) == (200, "Li")
    assert api("delete", f"{APPS}/web?confirm_name=web")[0] == 403
    assert api("delete", f"{APPS}/web?confirm_name=no", role="operator")[0] == 422
    assert api("delete", f"{APPS}/web?confirm_name=web", role="operator")[0] == 204
    assert not App.objects.exists()


def test_a_release_is_published_listed_and_compared(api, tenant):
    make_app(tenant)
    spec = {"containers": [{"name": "web", "image": BUNDLED}]}
    status, made, answer = api("post", f"{APPS}/web/releases", {"version": "1.0", "spec": spec})
    assert (status, made["number"], answer["Location"]) == (201, 1, f"{APPS}/web/releases/1")
    spec["containers"][0]["args"] = ["--slow"]
    assert api("post", f"{APPS}/web/releases", {"version": "1.1", "spec": spec})[0] == 201
    status, diff, _answer = api("get", f"{APPS}/web/releases/2/diff?with_number=1")
    assert [each["path"] for each in diff["changes"]] == ["containers.web.args"]
    status, refused, _answer = api("post", f"{APPS}/web/releases", {"version": "1.2", "spec": {"x": 1}})
    assert status == 422
    assert any(each["pointer"].startswith("/spec") for each in refused["errors"])
    assert api("post", f"{APPS}/web/releases", {}, role="viewer")[0] == 403


def test_preview_deploy_scale_undo_and_remove(api, tenant, place):
    app = make_app(tenant)
    make_release(app)
    status, seen, _answer = api("post", f"{PLACE}/preview", {"version": "1.0", "replicas": 2})
    assert (status, seen["blocked"], seen["objects"][0]["what"]) == (200, False, "create")
    status, _operation, answer = api("post", f"{PLACE}/deployments", {"version": "1.0", "replicas": 2})
    assert (status, answer["Location"].startswith("/api/v1/operations/")) == (202, True)
    assert api("post", f"{PLACE}/deployments", {"version": "1.0"})[1]["code"] == "subject_busy"
    finish()
    status, found, _answer = api("get", PLACE)
    assert (found["spec"]["release"], found["status"]["state"]) == ("1.0", "healthy")
    assert api("patch", PLACE, {"spec": {"replicas": 2}})[0] == 200
    assert api("patch", PLACE, {"spec": {"replicas": 4}})[0] == 202
    finish()
    assert api("post", f"{PLACE}/actions", {"action": "undo"})[0] == 202
    finish()
    assert Workload.objects.get().replicas == 2
    status, listed, _answer = api("get", f"{PLACE}/deployments")
    assert [each["spec"]["action"] for each in listed["results"]] == ["undo", "scale", "deploy"]
    assert api("get", f"{PLACE}/deployments/1")[1]["status"]["state"] == "succeeded"
    assert api("get", f"{PLACE}/pods")[1]["total"] == 0
    rows = [{"name": f"web-{one}", "node": f"w{one}", "ready": one > 0} for one in range(450)]
    SeenPods.objects.create(tenant=tenant, workload=Workload.objects.get(), rows=rows, total=450)
    assert len(api("get", f"{PLACE}/pods")[1]["pods"]) == 200
    last = api("get", f"{PLACE}/pods?page=3")[1]
    assert ([each["name"] for each in last["pods"]][-1], last["count"]) == ("web-449", 450)
    wanted = api("get", f"{PLACE}/pods?state=healthy&node=w44&q=web-449")[1]
    assert (wanted["count"], wanted["pods"][0]["name"]) == (1, "web-449")
    assert api("get", f"{PLACE}/pods?page=0")[0] == 422
    assert api("delete", f"{PLACE}?confirm_name=web")[0] == 403
    assert api("delete", f"{PLACE}?confirm_name=web", role="operator")[0] == 202


def test_who_only_looks_and_who_may_not_in_protected_ones(api, tenant, place):
    make_release(make_app(tenant))
    for path in ("preview", "deployments"):
        assert api("post", f"{PLACE}/{path}", {"version": "1.0"}, role="viewer")[0] == 403
    type(place[0]).objects.update(protected=True)
    assert api("post", f"{PLACE}/deployments", {"version": "1.0"})[0] == 403
    assert api("post", f"{APPS}/web/deploy", {"environment": "dev", "version": "1.0"})[0] == 403


def test_one_call_publishes_and_deploys_and_a_repeated_job_does_it_once(api, tenant, place):
    make_release(make_app(tenant), spec=web_spec(BUNDLED))
    given = {"environment": "dev", "version": "1.1", "image": BUNDLED}
    key = {"Idempotency-Key": "pipeline-7"}
    status, first, _answer = api("post", f"{APPS}/web/deploy", given, **key)
    assert status == 202
    status, again, _answer = api("post", f"{APPS}/web/deploy", given, **key)
    assert (status, again["id"]) == (202, first["id"])
    assert (Deployment.objects.count(), Release.objects.count()) == (1, 2)
    finish()
    assert api("post", f"{APPS}/web/deploy", given)[0] == 202
    assert Release.objects.count() == 2


def test_a_version_is_never_used_for_another_content(api, tenant, place):
    make_release(make_app(tenant))
    spec = {"containers": [{"name": "web", "image": BUNDLED}]}
    given = {"environment": "dev", "version": "1.0", "spec": spec}
    status, refused, _answer = api("post", f"{APPS}/web/deploy", given)
    assert (status, refused["errors"][0]["pointer"]) == (422, "/version")
    assert not Deployment.objects.exists()


def test_without_a_release_a_whole_spec_is_needed(api, tenant, place):
    make_app(tenant)
    given = {"environment": "dev", "version": "1.0", "image": BUNDLED}
    assert api("post", f"{APPS}/web/deploy", given)[0] == 422
    assert api("post", f"{APPS}/web/deploy", {"environment": "dev", "version": "1.0"})[0] == 404
    spec = {"containers": [{"name": "web", "image": BUNDLED}]}
    assert api("post", f"{APPS}/web/deploy", {"environment": "dev", "version": "1.0", "spec": spec})[0] == 202


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq")
def test_the_documented_script_deploys_over_the_network(
    live_server, tenant, join, place, monkeypatch, tmp_path
):
    make_release(make_app(tenant), spec=web_spec(BUNDLED))
    user = join(tenant, "developer")
    secret = token_of(user)
    script = re.search(r"```sh\n(.*?)```", GUIDE.read_text(), re.S)[1]
    # The operation's end is what a worker would write; the script has to see it.
    monkeypatch.setattr("apps.api.applications.accepted", _ended)
    done = subprocess.run(
        ["sh", "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "KCLOUD_URL": live_server.url,
            "KCLOUD_TOKEN": secret,
            "KCLOUD_TENANT": "retail",
            "APP": "web",
            "DEPLOY_TO": "dev",
            "VERSION": "1.1",
            "IMAGE": BUNDLED,
            "DEPLOY_KEY": "job-1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Workload.objects.get().release.version == "1.1"


def _ended(operation):
    runner.run(operation.pk)
    return accepted(Operation.objects.get(pk=operation.pk))
