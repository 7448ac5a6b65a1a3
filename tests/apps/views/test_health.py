"""The Health tab, the band and the API's diagnosis, on a cluster in memory."""

import pytest
from django.urls import reverse

from apps.models import ConfigRevision, Workload
from apps.selectors.diagnosis import examine
from apps.services import deployments
from clusters.errors import ClusterUnreachable
from tests.apps.things import carry_out, make_app, make_environment, make_release

pytestmark = pytest.mark.django_db
AT = ("retail", "web", "dev")
PODS = "/api/v1/namespaces/retail-dev/pods"


@pytest.fixture
def place(monkeypatch, tenant):
    return make_environment(monkeypatch, tenant)


@pytest.fixture
def cluster(place):
    return place[1]


@pytest.fixture
def deploy(tenant, place, operator):
    """deploy(spec) brings a release into dev."""
    app = make_app(tenant)

    def bring(spec=None):
        release = make_release(app, f"1.{app.releases.count()}", spec)
        begun = deployments.deploy_release(app=app, environment=place[0], release=release, by=operator)
        return carry_out(begun)

    return bring


@pytest.fixture
def broken(deploy, cluster):
    """An application whose only release never runs; its program said why."""
    cluster.raw[f"{PODS}/web-0/log"] = b"starting\nlookup db on 10.96.0.10:53: no such host\n"
    deploy()
    _break(cluster)
    return Workload.objects.select_related("app", "tenant", "environment__cluster", "release").get()


def _break(cluster):
    for name, pod in cluster.objects.items():
        if name.startswith(f"{PODS}/"):
            (status,) = pod["status"]["containerStatuses"]
            status |= {"ready": False, "restartCount": 5}
            status["state"] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
            status["lastState"] = {"terminated": {"reason": "Error", "exitCode": 1}}


@pytest.fixture
def see(client):
    def open_page(person, name="health", htmx=False, status=200):
        client.force_login(person)
        headers = {"HX-Request": "true"} if htmx else {}
        answer = client.get(reverse(f"apps:{name}", args=AT), headers=headers)
        assert answer.status_code == status
        return answer.content.decode()

    return open_page


def test_cause_evidence_and_next_click_are_on_the_page(see, join, tenant, broken):
    page = see(join(tenant, "viewer"))
    assert "A name does not resolve" in page
    assert "lookup db on 10.96.0.10:53: no such host" in page
    assert "web-0" in page
    assert "Probe coach" in page
    assert "no readiness check" in page


def test_the_live_part_is_answered_alone_and_asks_for_itself(see, join, tenant, broken):
    part = see(join(tenant, "viewer"), htmx=True)
    assert "<html" not in part
    assert 'hx-get="/tenants/retail/apps/web/in/dev/health/"' in part


def test_the_band_shows_the_worst_cause_and_leads_to_all(see, join, tenant, broken):
    band = see(join(tenant, "viewer"), "health_panel", htmx=True)
    assert "A name does not resolve" in band
    assert 'href="/tenants/retail/apps/web/in/dev/health/"' in band


def test_nothing_wrong_is_said_too(see, join, tenant, deploy):
    deploy()
    viewer = join(tenant, "viewer")
    assert "Nothing wrong was found." in see(viewer)
    assert "Nothing wrong was found." in see(viewer, "health_panel")


def test_a_cluster_that_does_not_answer_is_unknown_and_not_healthy(see, join, tenant, deploy, cluster):
    deploy()
    cluster.down = ClusterUnreachable("away")
    page = see(join(tenant, "viewer"))
    assert "could not be asked" in page
    assert "Nothing wrong" not in page


def test_what_hands_took_away_is_missed(see, join, tenant, deploy, cluster):
    deploy()
    for name in [
        name for name in cluster.objects if "/retail-dev/" in name and ("/pods/" in name or "apps/v1" in name)
    ]:
        del cluster.objects[name]
    assert "The workload is not on the cluster" in see(join(tenant, "viewer"))


def test_outsiders_meet_nothing(see, join, other_tenant, broken):
    see(join(other_tenant, "owner"), status=404)
    see(join(other_tenant, "viewer", "another"), "health_panel", status=404)


def test_words_of_programs_are_shown_and_never_run(see, join, tenant, broken, cluster):
    cluster.raw[f"{PODS}/web-0/log"] = b"<script>alert(1)</script> x509: certificate has expired\n"
    page = see(join(tenant, "viewer"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


def test_without_the_right_to_logs_none_are_read(broken, cluster):
    cluster.asked.clear()
    report = examine(broken, with_logs=False).report
    assert not [path for path in cluster.asked if path.endswith("/log")]
    assert [each.code for each in report.diagnoses] == ["crash_loop"]
    assert "log" not in {one.kind for each in report.diagnoses for one in each.evidence}


def test_the_cluster_is_asked_a_bounded_number_of_times(broken, cluster):
    cluster.asked.clear()
    examine(broken)
    assert len(cluster.asked) <= 12


def test_a_key_that_is_missing_is_compared_with_those_of_the_configuration(
    see, join, tenant, broken, cluster
):
    ConfigRevision.objects.create(
        tenant=tenant,
        app=broken.app,
        environment=broken.environment,
        number=3,
        entries=[{"name": "GREETING", "kind": "variable", "value": "planted-value"}],
    )
    Workload.objects.update(config_revision=3)
    pod = cluster.objects[f"{PODS}/web-0"]
    message = "couldn't find key GREETINGS in ConfigMap retail-dev/web-variables-3"
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    pod["status"]["containerStatuses"][0] |= {"state": waiting, "lastState": {}}
    page = see(join(tenant, "viewer"))
    assert "Similar keys: GREETING." in page
    assert "planted-value" not in page
