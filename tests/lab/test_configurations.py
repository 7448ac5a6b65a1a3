"""Configuration on a real cluster: by restart, by stages with a good and a bad revision, and read again while running.

One lab of two hosts for the whole file; the tests are steps of one story and run in this order.
"""

import pytest

from apps.models import App, ConfigRevision, Deployment, Workload
from apps.selectors import configurations as reading
from apps.services import config_stages, configurations, deployments
from clusters import access
from clusters.models import Environment
from kcloud_site.operations.models import Operation, State
from tests.apps.things import make_release
from tests.lab import test_releases as releases
from tests.lab.test_deploy import carry_out, on
from tests.operations.processes import until

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

PODS = "/api/v1/namespaces/retail-dev/pods"
# The hello image listens on PORT; its readiness check asks 8080.
GOOD, BAD = {"name": "APP_VERSION", "value": "2"}, {"name": "PORT", "value": "9090"}
PAGE = {"name": "greeting.txt", "kind": "file", "value": "hello"}
SECRET = {"name": "TOKEN", "secret": True, "value": "planted"}
site = releases.site


def environment():
    return Environment.objects.select_related("cluster", "tenant").get()


def pods(**labels):
    wanted = ",".join(f"{key}={value}" for key, value in {"kcloud.local/app": "web", **labels}.items())
    found = access.kubernetes_for(environment()).list(PODS, labelSelector=wanted)
    return [each for each in found if not each["metadata"].get("deletionTimestamp")]


def revisions_of(found):
    return sorted(
        (each["metadata"].get("annotations") or {}).get("kcloud.local/config", "") for each in found
    )


def draft(site, *entries):
    base = reading.published(site.app, environment())
    return configurations.save_draft(
        app=App.objects.select_related("tenant").get(pk=site.app.pk),
        environment=environment(),
        entries=list(entries),
        by=site.by,
        expected=base.etag if base else "",
    )


def publish(site, *entries):
    made = configurations.publish(revision=draft(site, *entries), by=site.by)
    carry_out(Operation.objects.get(pk=made.operation_id))
    made.refresh_from_db()
    assert made.state == "succeeded", made.reason


def stage(site, *entries, wanted=((50, 10), (100, 10)), patience=180):
    asked = config_stages.stage(
        revision=draft(site, *entries), by=site.by, wanted=list(wanted), patience=patience
    )
    return carry_out(asked)


def test_publishing_restarts_the_pods_one_after_another_with_the_new_revision(site):
    spec = {**releases.spec(), "configuration": {"environment": True, "path": "/etc/app"}}
    release = make_release(site.app, "1.0", spec)
    made = deployments.deploy_release(
        app=site.app, environment=environment(), release=release, by=site.by, replicas=2
    )
    assert carry_out(Operation.objects.get(pk=made.operation_id)).state == State.SUCCEEDED
    publish(site, GOOD, SECRET)
    until(lambda: revisions_of(pods()) == ["1", "1"], 30)


def test_a_bad_revision_never_gets_beyond_its_share_and_is_withdrawn(site):
    # A pod of this release is ready within five seconds, or never.
    operation = stage(site, GOOD, BAD, patience=30)
    assert operation.state == State.FAILED
    row = ConfigRevision.objects.get(number=2)
    assert (row.state, "did not stay well" in row.reason["what"]) == ("withdrawn", True), row.reason
    until(lambda: revisions_of(pods()) == ["1", "1"], 30)
    assert Workload.objects.get().config_revision == 1


def test_a_good_revision_is_tried_on_half_of_the_pods_then_all_get_it(site):
    operation = stage(site, {**GOOD, "value": "3"})
    assert operation.state == State.SUCCEEDED, operation.failure
    assert revisions_of(pods(**{"kcloud.local/trial": "true"})) == ["3"]
    made = Deployment.objects.get(config_revision=3)
    assert made.strategy["watch"] == 10
    assert carry_out(Operation.objects.get(pk=made.operation_id)).state == State.SUCCEEDED
    until(lambda: revisions_of(pods()) == ["3", "3"], 60)
    assert not pods(**{"kcloud.local/trial": "true"})


def test_with_hot_reload_the_file_in_the_same_pods_changes(site):
    App.objects.update(reload="hot")
    publish(site, {**GOOD, "value": "3"}, PAGE)
    until(lambda: len(pods()) == 2, 60)
    before = {each["metadata"]["uid"] for each in pods()}
    publish(site, {**GOOD, "value": "3"}, {**PAGE, "value": "changed"})
    folder = "volumes/kubernetes.io~projected/kcloud-settings"

    def seen():
        [uid, *_] = before
        return on(site, "r2", f"cat /var/lib/kubelet/pods/{uid}/{folder}/greeting.txt") == "changed"

    until(seen, 120)
    assert {each["metadata"]["uid"] for each in pods()} == before


def test_a_statefulset_gets_it_from_the_highest_pod_on_and_goes_back_when_it_is_bad(site):
    App.objects.update(reload="restart")
    spec = {**releases.spec(), "kind": "StatefulSet", "configuration": {"environment": True}}
    spec["service"] = {**spec["service"], "headless": True}
    made = deployments.deploy_release(
        app=site.app,
        environment=environment(),
        release=make_release(site.app, "2.0", spec),
        by=site.by,
        replicas=3,
    )
    operation = carry_out(Operation.objects.get(pk=made.operation_id))
    assert operation.state == State.SUCCEEDED, operation.failure
    before = by_ordinal()
    assert stage(site, {**GOOD, "value": "7"}, BAD, wanted=[(34, 10)], patience=30).state == State.FAILED
    assert by_ordinal() == before
    operation = stage(site, {**GOOD, "value": "8"}, wanted=[(34, 10), (67, 10)])
    assert operation.state == State.SUCCEEDED, operation.failure
    number = ConfigRevision.objects.first().number
    assert by_ordinal() == {**before, "web-1": str(number), "web-2": str(number)}
    made = Deployment.objects.get(config_revision=number)
    assert carry_out(Operation.objects.get(pk=made.operation_id)).state == State.SUCCEEDED
    until(lambda: set(by_ordinal().values()) == {str(number)}, 60)


def by_ordinal():
    return {
        each["metadata"]["name"]: (each["metadata"].get("annotations") or {}).get("kcloud.local/config", "")
        for each in pods()
        if not each["metadata"]["labels"].get("kcloud.local/trial")
    }
