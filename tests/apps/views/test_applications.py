"""Pages of applications: registering, publishing, what each role finds, how many queries a list costs."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.errors import AppStillUsed, ValueRefused
from apps.models import App, Release, SeenPods, Workload
from apps.services import apps as services
from apps.services import releases
from apps.specs.spec import as_json
from clusters.observing.pods import Metadata, SeenPod
from tests.apps.things import make_app, make_release, web_spec
from tests.clusters.environments import fake_cluster, give_quota, make
from tests.markup import squeezed

pytestmark = pytest.mark.django_db
BUNDLED = "kcloud.local/shop-web:1.0"


@pytest.fixture
def developer(client, tenant, join):
    client.force_login(join(tenant, "developer"))
    return client


@pytest.fixture
def viewer(client, tenant, join):
    client.force_login(join(tenant, "viewer"))
    return client


@pytest.fixture
def environment(monkeypatch, tenant):
    cluster, _fake = fake_cluster(monkeypatch)
    give_quota(tenant)
    return make(tenant, cluster)


def _address(name, *more):
    return reverse(f"apps:{name}", args=["retail", *more])


def test_a_developer_registers_an_application_and_lands_on_its_page(developer, tenant):
    given = {"name": "web", "criticality": "high", "reload": "restart", "labels": "team: front"}
    answer = developer.post(_address("create"), given)
    assert (answer.status_code, answer["Location"]) == (303, _address("detail", "web"))
    made = App.objects.get()
    assert (made.tenant, made.labels, made.criticality) == (tenant, {"team": "front"}, "high")
    assert "It runs nowhere yet" in developer.get(answer["Location"]).content.decode()


@pytest.mark.parametrize("name", ["Web", "new", "a" * 41, "9web", ""])
def test_a_name_that_cannot_be_is_marked_at_its_field(developer, name):
    given = {"name": name, "criticality": "low", "reload": "hot"}
    answer = developer.post(_address("create"), given)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not App.objects.exists()


def test_a_name_is_taken_once_in_a_tenant(developer, tenant):
    make_app(tenant)
    given = {"name": "web", "criticality": "low", "reload": "hot"}
    assert developer.post(_address("create"), given).status_code == 422


def test_a_viewer_finds_no_button_and_no_form(viewer, tenant):
    make_app(tenant)
    assert _address("create") not in viewer.get(_address("list")).content.decode()
    assert viewer.get(_address("create")).status_code == 403
    assert viewer.get(_address("publish", "web")).status_code == 403


def test_a_release_is_published_with_its_image_and_cannot_be_published_twice(developer, tenant):
    app = make_app(tenant)
    spec = f"containers: [{{name: web, image: '{BUNDLED}'}}]"
    answer = developer.post(_address("publish", "web"), {"version": "1.0", "spec": spec})
    assert answer["Location"] == _address("release", "web", 1)
    assert BUNDLED in developer.get(answer["Location"]).content.decode()
    again = developer.post(_address("publish", "web"), {"version": "1.0", "spec": spec})
    assert again.status_code == 422
    assert app.releases.count() == 1


def test_a_refused_release_names_every_field(developer, tenant):
    make_app(tenant)
    spec = "containers: [{name: web, image: 'web:1', ports: [{name: http, port: 0}], x: 1}]"
    answer = developer.post(_address("publish", "web"), {"version": "1.0", "spec": spec})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "containers.0.ports.0.port" in page
    assert "containers.0.x" in page
    assert not Release.objects.exists()


@pytest.mark.parametrize("spec", ["", "a: [", "- 1", "a: 1\n---\nb: 2"])
def test_what_is_no_release_at_all_is_refused(developer, tenant, spec):
    make_app(tenant)
    assert developer.post(_address("publish", "web"), {"version": "1", "spec": spec}).status_code == 422


def test_two_releases_are_compared_field_by_field(developer, tenant):
    app = make_app(tenant)
    make_release(app, "1.0")
    make_release(app, "1.1", web_spec("web:2"))
    page = developer.get(_address("release", "web", 2)).content.decode()
    assert "containers.web.image" in page
    assert "Nothing differs" not in page


def test_numbers_count_up_and_a_version_is_never_used_again(tenant, operator):
    app = make_app(tenant)
    spec = {"containers": [{"name": "web", "image": BUNDLED}]}
    numbers = [
        releases.publish_release(app=app, version=f"1.{n}", spec=spec, by=operator).number for n in (0, 1)
    ]
    assert numbers == [1, 2]
    with pytest.raises(ValueRefused):
        releases.publish_release(app=app, version="1.1", spec=spec, by=operator)


def test_an_application_that_runs_cannot_be_removed(tenant, environment, operator):
    app = make_app(tenant)
    Workload.objects.create(tenant=tenant, app=app, environment=environment)
    with pytest.raises(AppStillUsed):
        services.remove_app(app=app, by=operator, confirm_name="web")
    Workload.objects.all().delete()
    make_release(app)
    services.remove_app(app=app, by=operator, confirm_name="web")
    assert not App.objects.exists()


def test_the_page_of_a_workload_says_why_it_is_not_well(viewer, tenant, environment):
    app = make_app(tenant)
    reason = {"what": "Release 1.1 does not come up", "why": "CrashLoopBackOff", "remedy": "Look."}
    Workload.objects.create(
        tenant=tenant,
        app=app,
        environment=environment,
        release=make_release(app),
        state="down",
        state_reason=reason,
    )
    page = viewer.get(_address("workload", "web", "dev")).content.decode()
    assert "Release 1.1 does not come up" in page
    assert "CrashLoopBackOff" in page


def test_a_list_costs_as_many_queries_for_many_applications_as_for_one(
    viewer, tenant, environment, django_assert_max_num_queries
):
    for number in range(30):
        app = make_app(tenant, f"web-{number}")
        Workload.objects.create(tenant=tenant, app=app, environment=environment, release=make_release(app))
    with django_assert_max_num_queries(25):
        page = viewer.get(_address("list")).content.decode()
    assert page.count('<th scope="row">') == 30


def test_thousands_are_counted_right_listed_worst_first_and_filtered_by_what_is_counted(
    viewer, tenant, environment, django_assert_num_queries
):
    App.objects.bulk_create(App(tenant=tenant, name=f"a{number:04}") for number in range(2500))
    for name, state in (("z-down", "down"), ("z-well", "healthy")):
        app = make_app(tenant, name)
        Workload.objects.create(tenant=tenant, app=app, environment=environment, state=state)
    gone = make_app(tenant, "z-gone")
    Workload.objects.create(
        tenant=tenant, app=gone, environment=environment, state="binned", binned_at=timezone.now()
    )
    viewer.get(_address("list"))
    with CaptureQueriesContext(connection) as asked:
        page = viewer.get(_address("list")).content.decode()
        cost = len(asked)
    assert page.index("z-down") < page.index("a0000")
    assert re.search(r"<small>Not deployed</small><b>2.501</b>", squeezed(page))
    assert re.search(r"<small>Down</small><b>1</b>", squeezed(page))
    assert "z-down" in viewer.get(_address("list") + "?state=down").content.decode()
    assert "z-gone" in viewer.get(_address("list") + "?state=new&page=51").content.decode()
    assert "z-well" in viewer.get(_address("list") + "?page=51").content.decode()
    App.objects.filter(name__startswith="a").delete()
    with django_assert_num_queries(cost):
        viewer.get(_address("list"))


def test_the_stored_form_of_a_release_is_what_was_read(tenant):
    release = make_release(make_app(tenant))
    assert release.spec["containers"][0]["ports"][0]["port"] == 8080
    assert set(release.spec) == set(as_json_keys())


def as_json_keys():
    from apps.specs.reading import parse

    return as_json(parse(web_spec()))


def test_search_finds_applications_of_every_tenant_for_an_operator(client, tenant, operator):
    make_app(tenant, "checkout")
    client.force_login(operator)
    page = client.get("/search/?q=heck").content.decode()
    assert f'<a href="{_address("detail", "checkout")}">checkout</a>' in page
    assert "checkout" not in client.get("/search/?q=nothing").content.decode()


def test_the_page_of_a_workload_costs_the_same_for_many_pods_as_for_one(
    viewer, tenant, environment, django_assert_num_queries
):
    app = make_app(tenant)
    workload = Workload.objects.create(
        tenant=tenant, app=app, environment=environment, release=make_release(app)
    )
    address = _address("workload", app.name, environment.name)
    _see_pods(workload, 1)
    viewer.get(address)
    with CaptureQueriesContext(connection) as few:
        viewer.get(address)
    _see_pods(workload, 10_000)
    with django_assert_num_queries(len(few)):
        page = viewer.get(address).content
    assert len(page) < 100_000


def test_every_pod_is_found_by_page_state_node_and_name(
    viewer, tenant, environment, django_assert_num_queries
):
    app = make_app(tenant)
    workload = Workload.objects.create(
        tenant=tenant, app=app, environment=environment, release=make_release(app)
    )
    address = _address("pods", app.name, environment.name)
    _see_pods(workload, 1)
    viewer.get(address)
    with CaptureQueriesContext(connection) as few:
        viewer.get(address)
        cost = len(few)
    _see_pods(workload, 1500)
    rows = SeenPods.objects.get().rows
    rows[700].update(reason="CrashLoopBackOff", node="worker-7")
    rows[701].update(ready=True, node="worker-7")
    SeenPods.objects.update(rows=rows)

    def listed(**query):
        with django_assert_num_queries(cost):
            page = viewer.get(address, query).content.decode()
        assert len(page) < 100_000
        return re.findall(r">(web-\d+)</a>", page)

    assert listed(page="30") == [f"web-{number}" for number in range(1450, 1500)]
    assert listed(state="down") == ["web-700"]
    assert listed(node="WORKER-7") == ["web-700", "web-701"]
    assert listed(node="worker-7", state="healthy") == ["web-701"]
    assert listed(q="-1499") == ["web-1499"]
    assert listed(q="none") == []
    page = viewer.get(address, {"state": "down"}).content.decode()
    assert re.search(r"<small>Failing</small><b>1</b>", squeezed(page))
    assert re.search(r"<small>Starting</small><b>1.498</b>", squeezed(page))


def _see_pods(workload, number):
    """`number` pods that came up, as the watch would store them: the rows it keeps, and how many there are."""
    pods = [
        SeenPod(metadata=Metadata(namespace=workload.environment.namespace, name=f"web-{one}"))
        for one in range(min(number, SeenPods.MOST))
    ]
    SeenPods.objects.update_or_create(
        workload=workload,
        defaults={"tenant": workload.tenant, "rows": [each.as_row() for each in pods], "total": number},
    )
